import assert from "node:assert/strict";
import { test } from "node:test";

import { PRESETS, startNamed, tiePreset } from "../../web/lib/presets.mjs";

/** A node with these values; `give` is what a user does, as the host calls it. */
function made(values) {
  const widgets = Object.entries(values).map(([name, value]) => ({ name, value, given: [] }));
  for (const widget of widgets) widget.callback = (value) => widget.given.push(value);
  const node = { widgets };
  tiePreset(node);
  const named = (name) => widgets.find((widget) => widget.name === name);
  const give = (name, value) => {
    named(name).value = value;
    named(name).callback(value);
  };
  return { give, named, shown: () => widgets.map((widget) => widget.value) };
}

test("a chosen preset shows its numbers", () => {
  for (const [preset, { steps, detail }] of Object.entries(PRESETS)) {
    const node = made({ steps: 5, detail: 0.7, preset: "custom" });
    node.give("preset", preset);
    assert.deepEqual(node.shown(), [steps, detail, preset]);
    assert.deepEqual(node.named("preset").given, [preset], "the host's own callback runs");
  }
});

test("a number of one's own makes the preset custom and leaves the other number", () => {
  const node = made({ steps: 1, detail: 1, preset: "crisp" });
  node.give("detail", 0.8);
  assert.deepEqual(node.shown(), [1, 0.8, "custom"]);
  node.give("preset", "custom");
  assert.deepEqual(node.shown(), [1, 0.8, "custom"]);
});

test("the number that the preset has anyway keeps it", () => {
  const node = made({ steps: 1, detail: 0.3, preset: "balanced" });
  node.give("steps", 1);
  assert.deepEqual(node.shown(), [1, 0.3, "balanced"]);
});

test("nodes without a preset are left alone", () => {
  const node = made({ steps: 1, detail: 0.3 });
  node.give("steps", 4);
  assert.deepEqual(node.shown(), [4, 0.3]);
});

test("a node added by hand names the preset that its numbers are", () => {
  const started = (values) => {
    const node = { widgets: Object.entries(values).map(([name, value]) => ({ name, value })) };
    startNamed(node);
    return Object.fromEntries(node.widgets.map(({ name, value }) => [name, value]));
  };
  for (const [preset, numbers] of Object.entries(PRESETS)) {
    assert.deepEqual(started({ ...numbers, preset: "custom" }), { ...numbers, preset });
  }
  const faithful = { steps: 0, detail: 1.5, preset: "faithful" };
  assert.deepEqual(started({ ...faithful, preset: "custom" }), faithful);
  for (const own of [{ steps: 1, detail: 0.4 }, { steps: 3, detail: 0.3 }]) {
    assert.deepEqual(started({ ...own, preset: "custom" }), { ...own, preset: "custom" });
  }
  const named = { steps: 7, detail: 0.3, preset: "crisp" };
  assert.deepEqual(started(named), named, "a name that is there stays");
});

test("a node added by hand keeps its seed", () => {
  for (const [control, kept] of [["randomize", "fixed"], ["increment", "increment"], ["fixed", "fixed"]]) {
    const node = { widgets: [{ name: "control_after_generate", value: control }] };
    startNamed(node);
    assert.equal(node.widgets[0].value, kept);
  }
});
