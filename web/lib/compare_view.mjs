// Before and after under a line that can be dragged, with zoom.

import { keepEvents, loadPicture, Surface } from "./dom.mjs";
import * as viewport from "./viewport.mjs";

export class CompareView {
  /** @param view {before, after, labels, width, height}; @param url; @param word */
  constructor(view, url, word) {
    this.view = view;
    this.word = word;
    this.state = viewport.initial();
    this.surface = new Surface(word("compare"), (...args) => this.draw(...args));
    this.element = this.surface.canvas;
    this.element.title = word("hint");
    this.element.style.touchAction = "none";
    this.element.setAttribute("role", "slider");
    this.element.setAttribute("aria-valuemin", "0");
    this.element.setAttribute("aria-valuemax", "100");
    keepEvents(this.element);
    this.element.addEventListener("pointerdown", (event) => this.press(event));
    this.element.addEventListener("pointermove", (event) => this.move(event));
    this.element.addEventListener("pointerup", () => (this.drag = null));
    this.element.addEventListener("pointercancel", () => (this.drag = null));
    this.element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.element.addEventListener("dblclick", () => this.change(viewport.initial()));
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.ready = this.load(url);
  }

  async load(url) {
    const files = [this.view.before, this.view.after];
    [this.before, this.after] = await Promise.all(files.map((file) => loadPicture(url(file))));
    this.surface.redraw();
    return Boolean(this.before && this.after);
  }

  get size() {
    return { width: this.view.width, height: this.view.height };
  }

  change(state) {
    this.state = state;
    this.element.setAttribute("aria-valuenow", String(Math.round(100 * state.split)));
    this.surface.redraw();
  }

  press(event) {
    const [x, y] = this.surface.point(event);
    const line = this.state.zoom === 1 || viewport.nearSplit(this.state, x, this.surface.box);
    this.drag = { line, x, y };
    // A pointer that is not there (a script's) cannot be captured.
    if (event.isTrusted) this.element.setPointerCapture(event.pointerId);
    if (line) this.change(viewport.splitAt(this.state, x, this.surface.box));
  }

  move(event) {
    if (!this.drag) return;
    const [x, y] = this.surface.point(event);
    const { box } = this.surface;
    if (this.drag.line) this.change(viewport.splitAt(this.state, x, box));
    else this.change(viewport.pan(this.state, x - this.drag.x, y - this.drag.y, this.size, box));
    Object.assign(this.drag, { x, y });
  }

  wheel(event) {
    event.preventDefault();
    const [x, y] = this.surface.point(event);
    const factor = Math.exp(-Math.sign(event.deltaY) * 0.25);
    this.change(viewport.zoomAt(this.state, factor, x, y, this.size, this.surface.box));
  }

  key(event) {
    const { box } = this.surface;
    const zoom = (f) => viewport.zoomAt(this.state, f, box.width / 2, box.height / 2, this.size, box);
    const shift = (by) => viewport.splitAt(this.state, (this.state.split + by) * box.width, box);
    const actions = {
      ArrowLeft: () => shift(-0.05),
      ArrowRight: () => shift(0.05),
      "+": () => zoom(1.5),
      "-": () => zoom(1 / 1.5),
      0: () => viewport.initial(),
    };
    if (!(event.key in actions)) return;
    event.preventDefault();
    event.stopPropagation();
    this.change(actions[event.key]());
  }

  draw(context, width, height) {
    context.clearRect(0, 0, width, height);
    const rect = viewport.pictureRect(this.state, this.size, { width, height });
    const line = this.state.split * width;
    context.imageSmoothingEnabled = rect.width < 3 * this.view.width;
    const half = (picture, from, to) => {
      if (!picture || to <= from) return;
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, height);
      context.clip();
      context.drawImage(picture, rect.x, rect.y, rect.width, rect.height);
      context.restore();
    };
    half(this.before, 0, line);
    half(this.after, line, width);
    context.fillStyle = "#fff";
    context.fillRect(line - 1, 0, 2, height);
    context.beginPath();
    context.arc(line, height / 2, 7, 0, 2 * Math.PI);
    context.fill();
    this.label(context, this.word(this.view.labels[0]), 6, "left");
    this.label(context, this.word(this.view.labels[1]), width - 6, "right");
  }

  label(context, text, x, align) {
    context.font = "11px system-ui, sans-serif";
    context.textAlign = align;
    context.textBaseline = "top";
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0,0,0,0.7)";
    context.strokeText(text, x, 6);
    context.fillStyle = "#fff";
    context.fillText(text, x, 6);
  }

  dispose() {
    this.surface.dispose();
  }
}
