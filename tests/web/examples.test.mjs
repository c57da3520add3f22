import assert from "node:assert/strict";
import { test } from "node:test";

import { examplesIn, offerExamples, provideExamples } from "../../web/lib/examples.mjs";

const load = (image) => ({ type: "LoadImage", widgets_values: [image, "image"] });
const ours = { type: "MMSR_Upscale", widgets_values: [] };

/** A host whose input folder holds `files`, and what it was asked for. */
function host(files, { broken = false } = {}) {
  const [asked, shipped] = [[], ["example_lr.png", "example_hr.png"]];
  const request = async (path, { method = "GET", body } = {}) => {
    asked.push(`${method} ${path}`);
    const reply = (status) => ({ ok: status < 400, status, blob: async () => new Blob(["x"]) });
    if (path.startsWith("/view?")) {
      return reply(files.includes(new URLSearchParams(path.split("?")[1]).get("filename")) ? 200 : 404);
    }
    if (path.startsWith("/mmsr/examples/")) return reply(shipped.includes(path.split("/").at(-1)) ? 200 : 404);
    if (broken) return reply(500);
    assert.equal(body.get("type"), "input");
    assert.equal(body.get("overwrite"), null, "a file that is there stays");
    files.push(body.get("image").name);
    return reply(200);
  };
  return { files, asked, request };
}

test("only the examples that a workflow of this pack loads", () => {
  const nodes = [ours, load("example_lr.png"), load("example_lr.png"), load("mine.png"), load(7), load("../example_x.png")];
  assert.deepEqual(examplesIn({ nodes }), ["example_lr.png"]);
  assert.deepEqual(examplesIn({ nodes: nodes.slice(1) }), [], "not ours");
  const inside = { nodes: [{ type: "a-b" }], definitions: { subgraphs: [{ nodes }] } };
  assert.deepEqual(examplesIn(inside), ["example_lr.png"]);
  assert.deepEqual(examplesIn({}), []);
  assert.deepEqual(examplesIn(null), []);
});

test("what is missing is uploaded, what is there stays", async () => {
  const { files, asked, request } = host(["example_lr.png"]);
  const done = await provideExamples(["example_lr.png", "example_hr.png", "example_mine.png"], request);
  assert.deepEqual(done, { added: ["example_hr.png"], failed: [] });
  assert.deepEqual(files, ["example_lr.png", "example_hr.png"]);
  assert.equal(asked.filter((line) => line.startsWith("POST")).length, 1);
});

test("a folder that cannot be written, or a server that is away, is said", async () => {
  const { request } = host([], { broken: true });
  const names = ["example_lr.png"];
  assert.deepEqual(await provideExamples(names, request), { added: [], failed: names });
  const away = async () => { throw new Error("away"); };
  assert.deepEqual(await provideExamples(names, away), { added: [], failed: names });
});

test("Load Image offers what was uploaded", () => {
  const shared = ["b.png"];
  const node = (type) => ({ type, widgets: [{ name: "image", options: { values: shared } }] });
  const [one, other] = [node("LoadImage"), node("Another")];
  offerExamples([one, other, { type: "LoadImage" }], new Set(["a.png", "b.png"]));
  assert.deepEqual(one.widgets[0].options.values, ["a.png", "b.png"]);
  assert.deepEqual(other.widgets[0].options.values, ["b.png"]);
});
