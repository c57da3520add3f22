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
 * Has the canvas write a word in place of the number that asks for a measurement. What is saved, sent
 * and typed in stays the number. A frontend that draws its numbers in another way is left alone.
 */
export function showMeasured(widget, text) {
  const shown = inherited(widget, "_displayValue");
  if (!canBeMeasured(widget) || !shown) return;
  Object.defineProperty(widget, "_displayValue", {
    configurable: true,
    get() {
      const own = shown.call(this);
      return own !== "" && this.value === ASKING[this.name] ? text : own; // "": it is linked
    },
  });
}
