// Small helpers to build the panels.

const STYLE = `
.mmsr-panel { display: flex; flex-direction: column; gap: 4px; width: 100%; height: 100%; min-height: 0;
  box-sizing: border-box; overflow: hidden; font: 12px/1.35 system-ui, sans-serif;
  color: var(--input-text, #ddd); }
.mmsr-bar { display: flex; gap: 4px; align-items: center; flex: none; flex-wrap: wrap; }
.mmsr-bar button { font: inherit; color: inherit; padding: 1px 8px; cursor: pointer; border-radius: 4px;
  border: 1px solid var(--border-color, #555); background: var(--comfy-input-bg, #222); }
.mmsr-bar button[aria-pressed="true"] { border-color: var(--p-primary-color, #4b8fd8);
  box-shadow: inset 0 0 0 1px var(--p-primary-color, #4b8fd8); }
.mmsr-bar .mmsr-space { flex: 1; }
.mmsr-body { position: relative; flex: 1; min-height: 0; overflow: hidden; border-radius: 4px;
  background: var(--comfy-input-bg, #222); }
.mmsr-body canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.mmsr-body canvas:focus-visible { outline: 2px solid var(--p-primary-color, #4b8fd8); outline-offset: -2px; }
.mmsr-text { position: absolute; inset: 0; overflow: auto; padding: 8px; user-select: text; }
.mmsr-text table { border-collapse: collapse; width: 100%; }
.mmsr-text th { text-align: left; font-weight: normal; padding: 2px 8px 2px 0; white-space: nowrap;
  vertical-align: top; color: var(--descrip-text, #999); }
.mmsr-text td { padding: 2px 0; overflow-wrap: anywhere; }
.mmsr-text pre { margin: 0; white-space: pre-wrap; font: inherit; }
.mmsr-empty { display: flex; align-items: center; justify-content: center; height: 100%; padding: 4px 8px;
  text-align: center; color: var(--descrip-text, #999); }
.mmsr-steps { display: flex; flex-direction: column; gap: 2px; padding: 6px 8px 2px; flex: none; }
.mmsr-step { display: flex; align-items: center; gap: 6px; }
.mmsr-step span.mmsr-no { width: 3.5em; flex: none; color: var(--descrip-text, #999); }
.mmsr-stack { display: flex; flex: 1; height: 12px; border-radius: 3px; overflow: hidden; }
.mmsr-legend { display: flex; flex-wrap: wrap; gap: 2px 10px; padding: 2px 8px; flex: none; }
.mmsr-legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 4px; }
.mmsr-column { position: absolute; inset: 0; display: flex; flex-direction: column; }
.mmsr-column .mmsr-map { position: relative; flex: 1; min-height: 0; }
.lg-node:has(.mmsr-panel.mmsr-done) img[src^="blob:"],
.lg-node:has(.mmsr-panel.mmsr-done) img[src^="blob:"] + div { display: none; }
`;

/** Adds the panels' style sheet, once. */
export function addStyle(doc = document) {
  if (doc.getElementById("mmsr-style")) return;
  const style = doc.createElement("style");
  style.id = "mmsr-style";
  style.textContent = STYLE;
  doc.head.append(style);
}

/** An element with attributes and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") Object.assign(element.style, value);
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Keeps presses and wheels on a panel from dragging the node or zooming the graph. */
export function keepEvents(element) {
  for (const name of ["pointerdown", "pointermove", "pointerup", "wheel", "dblclick", "mousedown"]) {
    element.addEventListener(name, (event) => event.stopPropagation());
  }
}

/** Loads a picture; null where it is not there any more. */
export function loadPicture(url) {
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => resolve(null);
    image.src = url;
  });
}

/** A canvas that is redrawn by `draw(context, width, height)` whenever its size changes. */
export class Surface {
  constructor(label, draw) {
    this.canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": label });
    this.draw = draw;
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.canvas);
  }

  get box() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /** Position of a pointer event in px of the canvas, whatever the graph's zoom. */
  point(event) {
    const rect = this.canvas.getBoundingClientRect();
    const { width, height } = this.box;
    return [
      ((event.clientX - rect.left) * width) / (rect.width || 1),
      ((event.clientY - rect.top) * height) / (rect.height || 1),
    ];
  }

  redraw() {
    const { width, height } = this.box;
    if (!width || !height) return;
    const ratio = Math.min(3, Math.max(2, window.devicePixelRatio || 1));
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw(context, width, height);
  }

  dispose() {
    this.observer.disconnect();
  }
}
