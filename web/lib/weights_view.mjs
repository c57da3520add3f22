// Modality weights: a stacked bar per step, and the map of one modality over the result.

import { colourisePixels, modalityColour, stretchPixels } from "./colours.mjs";
import { keepEvents, loadPicture, make, Surface } from "./dom.mjs";
import { fitInto } from "./kernels.mjs";
import { bars, namesIn, sorted } from "./weights.mjs";

export class WeightsView {
  /** @param view {steps, maps, after, width, height}; @param url; @param word */
  constructor(view, url, word) {
    Object.assign(this, { view, url, word });
    this.element = make("div", { class: "mmsr-column" });
    keepEvents(this.element);
    if (!view.steps.length) {
      this.element.append(make("div", { class: "mmsr-empty" }, word("noWeights")));
      this.ready = Promise.resolve(true);
      return;
    }
    this.surface = new Surface(word("map"), (...args) => this.draw(...args));
    const box = make("div", { class: "mmsr-map" }, this.surface.canvas);
    this.chooser = make("div", { class: "mmsr-bar", style: { padding: "2px 8px" } });
    this.element.append(this.steps(), this.legend(), this.chooser, box);
    this.names = sorted(Object.keys(view.maps));
    this.ready = this.show(this.names[0]);
  }

  steps() {
    const rows = bars(this.view.steps).map((segments, i) => {
      const stack = make("div", { class: "mmsr-stack" });
      for (const { name, share } of segments) {
        const title = `${this.word(name)} ${(100 * share).toFixed(0)} %`;
        const style = { flex: String(share), background: modalityColour(name) };
        stack.append(make("div", { title, style, "data-name": name }));
      }
      const number = this.view.steps.length > 1 ? `${this.word("step")} ${i + 1}` : "";
      return make("div", { class: "mmsr-step" }, make("span", { class: "mmsr-no" }, number), stack);
    });
    return make("div", { class: "mmsr-steps" }, ...rows);
  }

  legend() {
    const last = Object.fromEntries(
      (bars(this.view.steps).at(-1) ?? []).map(({ name, share }) => [name, share]),
    );
    const entries = namesIn(this.view.steps).map((name) =>
      make(
        "span",
        {},
        make("i", { style: { background: modalityColour(name) } }),
        `${this.word(name)} ${(100 * (last[name] ?? 0)).toFixed(0)} %`,
      ),
    );
    return make("div", { class: "mmsr-legend" }, ...entries);
  }

  async show(name) {
    if (!name) return true;
    this.chosen = name;
    this.chooser.replaceChildren(
      `${this.word("map")}:`,
      ...this.names.map((other) =>
        make(
          "button",
          { "aria-pressed": String(other === name), onclick: () => this.show(other) },
          this.word(other),
        ),
      ),
    );
    const [map, after] = await Promise.all([
      loadPicture(this.url(this.view.maps[name])),
      this.after ?? loadPicture(this.url(this.view.after)),
    ]);
    this.after = after;
    if (this.chosen === name) this.map = map ? coloured(map) : null;
    this.surface.redraw();
    return Boolean(map);
  }

  draw(context, width, height) {
    context.clearRect(0, 0, width, height);
    const rect = fitInto(this.view.width, this.view.height, width, height);
    const box = [rect.x, rect.y, rect.width, rect.height];
    if (this.after) context.drawImage(this.after, ...box);
    if (!this.map) return;
    context.globalAlpha = 0.75;
    context.drawImage(this.map.canvas, ...box);
    context.globalAlpha = 1;
    const text = `${percent(this.map.range.low)} – ${percent(this.map.range.high)}`;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "bottom";
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0,0,0,0.7)";
    context.strokeText(text, rect.x + 6, rect.y + rect.height - 5);
    context.fillStyle = "#fff";
    context.fillText(text, rect.x + 6, rect.y + rect.height - 5);
  }

  dispose() {
    this.surface?.dispose();
  }
}

const percent = (share) => `${Math.round(100 * share)} %`;

/** A map in colours, stretched to the range it has, and that range. */
function coloured(picture) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const range = stretchPixels(pixels.data);
  colourisePixels(pixels.data);
  context.putImageData(pixels, 0, 0);
  return { canvas, range };
}
