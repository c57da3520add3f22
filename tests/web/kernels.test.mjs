import assert from "node:assert/strict";
import { test } from "node:test";

import * as geometry from "../../web/lib/kernels.mjs";

const view = {
  rows: 2, cols: 3,
  major: [1, 2, 3, 1, 1, 1],
  minor: [1, 2, 3, 1, 1, 0.25],
  angle: [0, 0.5, 1, 0, 0, Math.PI / 4],
};

test("widths are geometric means, and colours reach the widest, half a pixel at least", () => {
  assert.equal(geometry.widthAt(view, 2), 3);
  assert.equal(geometry.widthAt(view, 5), 0.5);
  assert.equal(geometry.widest(view), 3);
  const sharp = { rows: 1, cols: 1, major: [0], minor: [0], angle: [0] };
  assert.equal(geometry.widest(sharp), 0.5);
});

test("a picture is fitted into the middle of its box", () => {
  assert.deepEqual(geometry.fitInto(100, 50, 200, 200), { x: 0, y: 50, width: 200, height: 100 });
  assert.deepEqual(geometry.fitInto(1, 1, 30, 60), { x: 0, y: 15, width: 30, height: 30 });
});

test("the place under a place's centre is that place", () => {
  const rect = { x: 13, y: 7, width: 300, height: 90 };
  for (let i = 0; i < 6; i++) {
    assert.equal(geometry.placeAt(view, ...geometry.placeCentre(view, i, rect), rect), i);
  }
  for (const point of [[12, 50], [314, 50], [100, 6], [100, 98]]) {
    assert.equal(geometry.placeAt(view, ...point, rect), -1);
  }
});

test("the widest ellipse just fits its cell, and none vanishes", () => {
  const factor = geometry.ellipseFactor(view, 40);
  const rect = { x: 0, y: 0, width: 120, height: 80 };
  const shapes = view.major.map((_, i) => geometry.ellipseAt(view, i, rect, factor));
  assert.ok(Math.max(...shapes.map((s) => s.rx)) <= 20);
  assert.ok(Math.min(...shapes.map((s) => s.ry)) > 0.5);
  assert.equal(shapes[5].angle, Math.PI / 4);
});

test("ellipses keep their distance however many places there are", () => {
  for (const count of [1, 7, 32]) {
    for (const length of [20, 150, 600]) {
      const stride = geometry.strideFor(count, length);
      assert.ok(stride >= 1 && stride <= count);
      assert.ok(stride === count || (stride * length) / count >= 26);
    }
  }
  assert.equal(geometry.strideFor(32, 32 * 26), 1);
});

test("kernels lie in the atlas row by row", () => {
  assert.deepEqual(geometry.atlasRect(view, 4), { x: 21, y: 21, width: 21, height: 21 });
});

test("round kernels are described without a direction", () => {
  assert.equal(geometry.describe(view, 0), "σ 1.0 × 1.0 px");
  assert.match(geometry.describe(view, 5), /45°/);
});
