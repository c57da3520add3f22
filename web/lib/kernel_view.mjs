// The kernel-field view: the picture with the blur ellipse at each place; a click enlarges the
// kernel there.

import { colourisePixels, viridisCss } from "./colours.mjs";
import { keepEvents, loadPicture, Surface } from "./dom.mjs";
import * as geometry from "./kernels.mjs";

const LEGEND = 34;
const MARGIN = 8; // for ellipses at the picture's edge

export class KernelView {
  /** @param view see kernels.mjs; @param url from file to address; @param word see words.mjs */
  constructor(view, url, word) {
    this.view = view;
    this.word = word;
    this.widest = geometry.widest(view);
    this.chosen = -1;
    this.surface = new Surface(word("blur"), (...args) => this.draw(...args));
    this.element = this.surface.canvas;
    keepEvents(this.element);
    this.element.addEventListener("click", (event) => this.choose(event));
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.ready = this.load(url);
  }

  async load(url) {
    const { picture, atlas } = this.view;
    [this.picture, this.atlas] = await Promise.all([
      picture ? loadPicture(url(picture)) : null,
      loadPicture(url(atlas)),
    ]);
    this.surface.redraw();
    return Boolean(this.atlas && (this.picture || !picture));
  }

  area(width, height) {
    const room = [width - 2 * MARGIN, height - LEGEND - 2 * MARGIN].map((side) => Math.max(side, 1));
    const rect = geometry.fitInto(this.view.width, this.view.height, ...room);
    return { ...rect, x: rect.x + MARGIN, y: rect.y + MARGIN };
  }

  choose(event) {
    const { width, height } = this.surface.box;
    const place = geometry.placeAt(this.view, ...this.surface.point(event), this.area(width, height));
    this.chosen = place === this.chosen ? -1 : place;
    this.surface.redraw();
  }

  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.view.cols, ArrowDown: this.view.cols };
    if (event.key === "Escape") this.chosen = -1;
    else if (event.key in moves) {
      const next = Math.max(this.chosen, 0) + moves[event.key];
      if (next >= 0 && next < this.view.rows * this.view.cols) this.chosen = next;
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.surface.redraw();
  }

  draw(context, width, height) {
    const rect = this.area(width, height);
    context.clearRect(0, 0, width, height);
    if (this.picture) {
      context.drawImage(this.picture, rect.x, rect.y, rect.width, rect.height);
      context.fillStyle = "rgba(0,0,0,0.35)";
    } else context.fillStyle = "#1d1d24";
    context.fillRect(rect.x, rect.y, rect.width, rect.height);
    this.drawEllipses(context, rect);
    this.drawLegend(context, width, height);
    if (this.chosen >= 0) this.drawKernel(context, rect);
  }

  drawEllipses(context, rect) {
    const { rows, cols } = this.view;
    const across = geometry.strideFor(cols, rect.width);
    const down = geometry.strideFor(rows, rect.height);
    const cell = Math.min((rect.width * across) / cols, (rect.height * down) / rows);
    const factor = geometry.ellipseFactor(this.view, cell);
    for (let row = down >> 1; row < rows; row += down) {
      for (let col = across >> 1; col < cols; col += across) {
        const i = row * cols + col;
        this.strokeEllipse(context, geometry.ellipseAt(this.view, i, rect, factor), i);
      }
    }
    if (this.chosen >= 0) {
      const [x, y] = geometry.placeCentre(this.view, this.chosen, rect);
      context.strokeStyle = "#fff";
      context.lineWidth = 1.5;
      context.strokeRect(x - cell / 2, y - cell / 2, cell, cell);
    }
  }

  strokeEllipse(context, shape, i) {
    context.beginPath();
    context.ellipse(shape.x, shape.y, shape.rx, shape.ry, shape.angle, 0, 2 * Math.PI);
    context.strokeStyle = "rgba(0,0,0,0.6)";
    context.lineWidth = 3.5;
    context.stroke();
    context.strokeStyle = viridisCss(geometry.widthAt(this.view, i) / this.widest);
    context.lineWidth = 1.8;
    context.stroke();
  }

  drawLegend(context, width, height) {
    const style = getComputedStyle(this.element);
    const bar = { x: 8, y: height - LEGEND + 6, width: Math.max(width - 16, 1), height: 8 };
    const gradient = context.createLinearGradient(bar.x, 0, bar.x + bar.width, 0);
    for (let i = 0; i <= 16; i++) gradient.addColorStop(i / 16, viridisCss(i / 16));
    context.fillStyle = gradient;
    context.fillRect(bar.x, bar.y, bar.width, bar.height);
    context.fillStyle = style.color;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "top";
    const y = bar.y + bar.height + 3;
    context.textAlign = "left";
    context.fillText("0", bar.x, y);
    context.textAlign = "right";
    context.fillText(this.widest.toFixed(1), bar.x + bar.width, y);
    context.textAlign = "center";
    const text = this.chosen >= 0 ? geometry.describe(this.view, this.chosen) : this.word("width");
    context.fillText(text, width / 2, y, bar.width - 70);
  }

  drawKernel(context, rect) {
    if (!this.atlas) return;
    const side = Math.max(60, Math.min(0.55 * rect.height, 0.45 * rect.width));
    const [x] = geometry.placeCentre(this.view, this.chosen, rect);
    const left = x > rect.x + rect.width / 2 ? rect.x + 6 : rect.x + rect.width - side - 6;
    const source = geometry.atlasRect(this.view, this.chosen);
    context.imageSmoothingEnabled = false;
    context.drawImage(
      this.coloured(source), 0, 0, source.width, source.height, left, rect.y + 6, side, side,
    );
    context.imageSmoothingEnabled = true;
    context.strokeStyle = "#fff";
    context.lineWidth = 1;
    context.strokeRect(left, rect.y + 6, side, side);
  }

  coloured(source) {
    const small = document.createElement("canvas");
    [small.width, small.height] = [source.width, source.height];
    const context = small.getContext("2d", { willReadFrequently: true });
    context.drawImage(
      this.atlas, source.x, source.y, source.width, source.height, 0, 0, source.width, source.height,
    );
    const pixels = context.getImageData(0, 0, source.width, source.height);
    colourisePixels(pixels.data);
    context.putImageData(pixels, 0, 0);
    return small;
  }

  dispose() {
    this.surface.dispose();
  }
}
