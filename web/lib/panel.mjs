// The panel on a node: tabs, the pictures of a batch one at a time, and what to show when empty.

import { CompareView } from "./compare_view.mjs";
import { addStyle, keepEvents, make } from "./dom.mjs";
import { KernelView } from "./kernel_view.mjs";
import { reportRows, tabTitle } from "./weights.mjs";
import { WeightsView } from "./weights_view.mjs";

/** Height of a panel, px. */
export const MIN_HEIGHT = 280;

class ReportView {
  constructor(view, url, word) {
    const rows = reportRows(view.report, word).map(([key, value]) =>
      make("tr", {}, make("th", {}, word(key)), make("td", {}, value)),
    );
    const body = rows.length ? make("table", {}, ...rows) : make("pre", {}, view.text ?? "");
    this.element = make("div", { class: "mmsr-text" }, body);
    keepEvents(this.element);
    this.ready = Promise.resolve(true);
  }

  dispose() {}
}

const TABS = {
  kernels: [["blur", KernelView], ["report", ReportView]],
  compare: [["compare", CompareView], ["weights", WeightsView], ["report", ReportView]],
};

/** The tabs of a view; weights only where there was something to weigh. */
export function tabsOf(view) {
  const tabs = TABS[view?.view] ?? [];
  return view?.report || view?.steps?.length ? tabs : tabs.filter(([name]) => name !== "weights");
}

export class Panel {
  /** @param options {url(file), word(key)} */
  constructor(options) {
    addStyle();
    this.options = options;
    this.views = [];
    this.index = 0;
    this.bar = make("div", { class: "mmsr-bar" });
    this.body = make("div", { class: "mmsr-body" });
    this.element = make("div", { class: "mmsr-panel" });
    this.element.style.minHeight = `${MIN_HEIGHT}px`; // Vue nodes size themselves by their contents
    keepEvents(this.bar);
    this.message("empty");
  }

  message(key) {
    this.views = [];
    this.shown?.dispose();
    this.shown = null;
    const text = make("div", { class: "mmsr-empty" }, this.options.word(key));
    this.element.replaceChildren(text);
  }

  /** Shows views, keeping the tab and the place in the batch. */
  show(views) {
    if (!views?.length) return this.message("empty");
    this.views = views;
    this.index = Math.min(this.index, views.length - 1);
    this.element.replaceChildren(this.bar, this.body);
    this.render();
    return this.shown?.ready;
  }

  render() {
    const view = this.views[this.index];
    const tabs = tabsOf(view);
    if (!tabs.some(([name]) => name === this.tab)) this.tab = tabs[0]?.[0];
    const [, View] = tabs.find(([name]) => name === this.tab) ?? [];
    this.bar.replaceChildren(
      ...tabs.map(([name]) => this.button(name, name === this.tab, () => (this.tab = name))),
      make("span", { class: "mmsr-space" }),
      ...this.pager(),
    );
    this.shown?.dispose();
    this.shown = View ? new View(view, this.options.url, this.options.word) : null;
    this.body.replaceChildren(...(this.shown ? [this.shown.element] : []));
    const own = this.shown;
    own?.ready.then((complete) => {
      if (!complete && this.shown === own) this.message("gone");
    });
  }

  button(name, pressed, action) {
    const onclick = () => {
      action();
      this.render();
    };
    const attributes = { "aria-pressed": String(pressed), "data-tab": name, onclick };
    return make("button", attributes, tabTitle(name, this.views[this.index], this.options.word));
  }

  pager() {
    const count = this.views.length;
    if (count < 2) return [];
    const turn = (by) => {
      this.index = (this.index + by + count) % count;
      this.render();
    };
    return [
      make("button", { onclick: () => turn(-1), "aria-label": "previous" }, "‹"),
      `${this.index + 1} / ${count}`,
      make("button", { onclick: () => turn(1), "aria-label": "next" }, "›"),
    ];
  }

  dispose() {
    this.shown?.dispose();
  }
}
