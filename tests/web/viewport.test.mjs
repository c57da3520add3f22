import assert from "node:assert/strict";
import { test } from "node:test";

import * as viewport from "../../web/lib/viewport.mjs";

const size = { width: 400, height: 200 };
const box = { width: 300, height: 300 };
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("at first the whole picture is in the middle", () => {
  const rect = viewport.pictureRect(viewport.initial(), size, box);
  assert.deepEqual(rect, { x: 0, y: 75, width: 300, height: 150 });
});

test("zooming keeps the point under the pointer where it is", () => {
  let state = viewport.initial();
  const [px, py] = [220, 160];
  const under = (s) => {
    const rect = viewport.pictureRect(s, size, box);
    return [(px - rect.x) / rect.width, (py - rect.y) / rect.height];
  };
  const before = under(state);
  state = viewport.zoomAt(state, 6, px, py, size, box);
  close(state.zoom, 6);
  const after = under(state);
  close(before[0], after[0]);
  close(before[1], after[1]);
});

test("zoom stays within bounds and zooming out comes home", () => {
  let state = viewport.initial();
  for (let i = 0; i < 40; i++) state = viewport.zoomAt(state, 2, 10, 290, size, box);
  assert.equal(state.zoom, viewport.MAX_ZOOM);
  for (let i = 0; i < 40; i++) state = viewport.zoomAt(state, 0.5, 150, 10, size, box);
  assert.deepEqual(state, viewport.initial());
});

test("the picture cannot be dragged out of the box", () => {
  const zoomed = viewport.zoomAt(viewport.initial(), 4, 150, 150, size, box);
  for (const [dx, dy] of [[9999, 0], [-9999, 9999], [0, -9999]]) {
    const rect = viewport.pictureRect(viewport.pan(zoomed, dx, dy, size, box), size, box);
    assert.ok(rect.x <= 1e-9 && rect.x + rect.width >= box.width - 1e-9);
    assert.ok(rect.y <= 1e-9 && rect.y + rect.height >= box.height - 1e-9);
  }
});

test("panning moves the picture by as much as the pointer", () => {
  const zoomed = viewport.zoomAt(viewport.initial(), 4, 150, 150, size, box);
  const before = viewport.pictureRect(zoomed, size, box);
  const after = viewport.pictureRect(viewport.pan(zoomed, 17, -9, size, box), size, box);
  close(after.x - before.x, 17);
  close(after.y - before.y, -9);
});

test("the line stays in the box and is taken from nearby only", () => {
  const state = viewport.initial();
  assert.equal(viewport.splitAt(state, -5, box).split, 0);
  assert.equal(viewport.splitAt(state, 999, box).split, 1);
  assert.ok(viewport.nearSplit(state, 155, box));
  assert.ok(!viewport.nearSplit(state, 190, box));
});
