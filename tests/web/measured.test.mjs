import assert from "node:assert/strict";
import { test } from "node:test";

import { canBeMeasured, showIdle, showMeasured } from "../../web/lib/measured.mjs";

class NumberWidget {
  constructor(name, value, min) {
    Object.assign(this, { name, value, options: { min }, linked: false });
  }

  get _displayValue() {
    return this.linked ? "" : this.value.toFixed(2);
  }
}

test("the number that asks for a measurement is written as a word", () => {
  for (const [name, asking] of [["noise", -1], ["jpeg_quality", 0], ["blur", 0], ["sharpening", -1]]) {
    const widget = new NumberWidget(name, asking, asking);
    showMeasured(widget, "measured");
    assert.equal(widget._displayValue, "measured");
    assert.equal(widget.value, asking);
    widget.value = 7;
    assert.equal(widget._displayValue, "7.00");
    widget.value = asking;
    widget.linked = true;
    assert.equal(widget._displayValue, "");
    assert.ok(!Object.keys(widget).includes("_displayValue"), "copies and saved forms are without it");
  }
});

test("inputs of other nodes with these names keep their numbers", () => {
  for (const [name, value, min] of [["noise", 0, 0], ["jpeg_quality", 1, 1], ["scale", 0, 0], ["sharpening", 0, 0]]) {
    const widget = new NumberWidget(name, value, min);
    assert.ok(!canBeMeasured(widget));
    showMeasured(widget, "measured");
    assert.equal(widget._displayValue, value.toFixed(2));
  }
});

test("a frontend without that getter is left alone", () => {
  const widget = { name: "noise", value: -1, options: { min: -1 } };
  showMeasured(widget, "measured");
  assert.equal(widget._displayValue, undefined);
});

test("at 0 steps the detail is said to have no effect", () => {
  const [steps, detail] = [new NumberWidget("steps", 0, 0), new NumberWidget("detail", 0.3, 0)];
  showIdle({ widgets: [steps, detail] }, "no effect");
  assert.equal(detail._displayValue, "no effect");
  assert.equal(detail.value, 0.3);
  steps.value = 1;
  assert.equal(detail._displayValue, "0.30");
  const alone = new NumberWidget("detail", 0.3, 0);
  showIdle({ widgets: [alone] }, "no effect");
  assert.equal(alone._displayValue, "0.30");
});
