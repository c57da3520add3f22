import assert from "node:assert/strict";
import { test } from "node:test";

import { fileIn } from "../../web/lib/outputs.mjs";
import { holdersOf, placeOf, queuedIds, Runs } from "../../web/lib/runs.mjs";

const [first, second] = [{ path: "workflows/a.json" }, { path: "workflows/a (2).json" }];

test("a run stays with the workflow that was in sight when it was queued", () => {
  const runs = new Runs();
  runs.claim(["p"], first);
  runs.claim(["p", "q"], second);
  assert.equal(runs.ownerOf("p", second), first);
  assert.equal(runs.ownerOf("q", first), second);
  assert.equal(runs.ownerOf("unknown", first), first);
});

test("old runs are forgotten, the newest are not", () => {
  const runs = new Runs();
  for (let i = 0; i < 2000; i++) runs.claim([i], first);
  assert.ok(runs.owners.size <= 500);
  assert.equal(runs.ownerOf(1999, second), first);
  assert.equal(runs.ownerOf(0, second), second);
});

test("both forms of the queue are read", () => {
  const raw = { queue_running: [[0, "a", {}]], queue_pending: [[1, "b", {}]] };
  assert.deepEqual(queuedIds(raw), ["a", "b"]);
  assert.deepEqual(queuedIds({ Running: [{ prompt: [0, "c"] }], Pending: [] }), ["c"]);
  assert.deepEqual(queuedIds(null), []);
});

test("two opened workflows of one template have two places", () => {
  assert.notEqual(placeOf(first), placeOf(second));
  assert.equal(placeOf(undefined), "");
});

test("the workflows that hold a result are found", () => {
  const file = { filename: "a.json" };
  const holding = { changeTracker: { nodeOutputs: { 3: { mmsr: [file] } } } };
  const other = { changeTracker: { nodeOutputs: { 3: { mmsr: [{ filename: "b.json" }] } } } };
  const opened = [other, holding, {}, { changeTracker: {} }];
  assert.deepEqual(holdersOf(file, opened, fileIn), [holding]);
});
