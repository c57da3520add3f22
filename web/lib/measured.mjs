// What a number that asks for a measurement is shown as. Pure functions.

/** Input -> the value that asks for the measurement: the least that the input takes. */
const ASKING = { noise: -1, jpeg_quality: 0, blur: 0, sharpening: -1 };

/** Whether a widget's least value means "measured". Other nodes have inputs of these names, too. */
export const canBeMeasured = (widget) =>
  widget?.name in ASKING && widget.options?.min === ASKING[widget.name];

/** The getter a widget has from its class; undefined where there is none. */
function inherited(widget, name) {
  for (let at = Object.getPrototypeOf(widget); at; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return found.get;
  }
}

/**
 * Has the canvas write a word in place of a widget's number where `applies`. What is saved, sent and
 * typed in stays the number. A frontend that draws its numbers in another way is left alone.
 */
function showInstead(widget, text, applies) {
  const shown = inherited(widget, "_displayValue");
  if (!shown) return;
  Object.defineProperty(widget, "_displayValue", {
    configurable: true,
    get() {
      const own = shown.call(this);
      return own !== "" && applies() ? text : own; // "": it is linked
    },
  });
}

/** Writes a word in place of the number that asks for a measurement. */
export function showMeasured(widget, text) {
  if (!canBeMeasured(widget)) return;
  showInstead(widget, text, () => widget.value === ASKING[widget.name]);
}

/** Writes a word in place of a detail that nothing draws: the steps are 0, as those of faithful. */
export function showIdle(node, text) {
  const named = (name) => node.widgets?.find((widget) => widget.name === name);
  const [steps, detail] = [named("steps"), named("detail")];
  if (steps && detail) showInstead(detail, text, () => steps.value === 0);
}
