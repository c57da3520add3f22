import assert from "node:assert/strict";
import { test } from "node:test";

import { fileIn, findNode, findSaved } from "../../web/lib/outputs.mjs";

const file = { filename: "a.json", subfolder: "mmsr", type: "temp" };

test("only an output of this pack has a file", () => {
  assert.deepEqual(fileIn({ mmsr: [file] }), file);
  for (const other of [undefined, {}, { images: [file] }, { mmsr: [] }, { mmsr: [{}] }]) {
    assert.equal(fileIn(other), null);
  }
});

test("nodes are found inside of subgraphs", () => {
  const graphOf = (nodes) => ({ getNodeById: (id) => nodes[id] });
  const inner = { id: 7 };
  const outer = { id: 3, subgraph: graphOf({ 7: inner }) };
  const graph = graphOf({ 3: outer });
  assert.equal(findNode(graph, "3"), outer);
  assert.equal(findNode(graph, 3), outer);
  assert.equal(findNode(graph, "3:7"), inner);
  assert.equal(findNode(graph, "4:7"), null);
  assert.equal(findNode(undefined, "1"), null);
});

test("nodes of a workflow out of sight are found in its saved form", () => {
  const nodes = [{ id: 7, type: "MMSR_Upscale" }];
  const workflow = { activeState: { id: "g", nodes } };
  const found = { id: 7, type: "MMSR_Upscale", graph: { id: "g" } };
  assert.deepEqual(findSaved(workflow, "7"), found);
  for (const id of ["8", "3:7"]) assert.equal(findSaved(workflow, id), null);
  assert.equal(findSaved(undefined, "7"), null);
});
