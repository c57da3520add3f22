// Keeps the steps and the detail that a node shows those that it uses. No host import.

/** The numbers of each preset: those of the library, as a test checks. */
export const PRESETS = {
  faithful: { steps: 0, detail: 0.3 },
  balanced: { steps: 1, detail: 0.3 },
  crisp: { steps: 1, detail: 1 },
};
const CUSTOM = "custom";

const widgetOf = (node, name) => node.widgets?.find((widget) => widget.name === name);

/** The preset that does the same as these numbers: at 0 steps any detail does. */
const presetOf = (steps, detail) =>
  Object.keys(PRESETS).find((name) => {
    const one = PRESETS[name];
    return steps === one.steps && (steps === 0 || detail === one.detail);
  });

/**
 * Has a node that was added by hand name the preset that its numbers are, and keep its seed from run
 * to run. What it makes stays the same.
 */
export function startNamed(node) {
  const [preset, steps, detail] = ["preset", "steps", "detail"].map((name) => widgetOf(node, name));
  const control = widgetOf(node, "control_after_generate");
  if (control?.value === "randomize") control.value = "fixed";
  if (preset?.value !== CUSTOM || !steps || !detail) return;
  preset.value = presetOf(steps.value, detail.value) ?? CUSTOM;
}

/** Has `act` follow each value that a user gives to a widget. */
function follow(widget, act) {
  const own = widget.callback;
  widget.callback = function (...given) {
    const result = own?.apply(this, given);
    act();
    return result;
  };
}

/**
 * A chosen preset sets the two numbers; a number of one's own makes the preset custom, without which
 * it would have no effect. Loading, undo and what comes over a link are no choices of a user: they
 * change nothing.
 */
export function tiePreset(node) {
  const preset = widgetOf(node, "preset");
  const numbers = { steps: widgetOf(node, "steps"), detail: widgetOf(node, "detail") };
  if (!preset || !numbers.steps || !numbers.detail) return;
  follow(preset, () => {
    for (const [name, value] of Object.entries(PRESETS[preset.value] ?? {})) {
      numbers[name].value = value;
    }
  });
  for (const [name, widget] of Object.entries(numbers)) {
    follow(widget, () => {
      const chosen = PRESETS[preset.value];
      if (chosen && widget.value !== chosen[name]) preset.value = CUSTOM;
    });
  }
}
