import assert from "node:assert/strict";
import { test } from "node:test";

import { fileIn, findNode, showCached } from "../../web/lib/cached.mjs";

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

test("the history is asked again until it has the prompt", async () => {
  const answers = [{}, null, { p: { outputs: { 5: { mmsr: [file] }, 6: { images: [] } } } }];
  const shown = [];
  let asked = 0;
  const ask = async () => answers[asked++];
  await showCached("p", ["5", "6", "9"], ask, (id, own) => shown.push([id, own]), 0);
  assert.equal(asked, 3);
  assert.deepEqual(shown, [["5", file]]);
});

test("a history that never comes ends quietly", async () => {
  let asked = 0;
  await showCached("p", ["5"], async () => ((asked += 1), {}), () => assert.fail("nothing"), 0);
  assert.ok(asked > 1 && asked < 100);
});
