// Shows what the pack's nodes found, on the nodes themselves. Works with Vue nodes and the canvas.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { MIN_HEIGHT, Panel } from "./lib/panel.mjs";
import { recall, remember, viewPath } from "./lib/store.mjs";
import { dictionary } from "./lib/words.mjs";

const NODES = new Set([
  "MMSR_EstimateDegradation",
  "MMSR_KernelRefineNode",
  "MMSR_EditKernelField",
  "MMSR_LoadKernelField",
  "MMSR_Degrade",
  "MMSR_SRSamplerNode",
  "MMSR_Upscale",
  "MMSR_FuseSensors",
  "MMSR_FaithfulnessCheck",
]);
const EMPTY_HEIGHT = 40;
const FILLED_HEIGHT = MIN_HEIGHT + 20; // and the host's margins
const NODE_WIDTH = 340;
const panels = new WeakMap();

function language() {
  return app.extensionManager?.setting?.get?.("Comfy.Locale") ?? navigator.language;
}

/** Loads a result, unless a later one was asked for meanwhile. */
async function showFile(node, file) {
  const state = panels.get(node);
  if (!state) return;
  state.wanted = file.filename;
  let views = null;
  try {
    const reply = await api.fetchApi(viewPath(file));
    views = reply.ok ? (await reply.json()).views : null;
  } catch {
    // The server is away: the same as a file that is gone.
  }
  if (state.wanted !== file.filename) return;
  if (views) state.panel.show(views);
  else state.panel.message("gone");
}

function grow(node) {
  const [width, height] = node.size;
  const [, least] = node.computeSize();
  if (height < least || width < NODE_WIDTH) {
    node.setSize([Math.max(width, NODE_WIDTH), Math.max(height, least)]);
  }
  node.setDirtyCanvas?.(true, true);
}

/** Takes the run's live preview off a node that now shows the result itself. */
function dropLivePreview(node) {
  const previews = app.nodePreviewImages ?? {};
  for (const key of [String(node.id), `${node.graph?.id}:${node.id}`]) delete previews[key];
  node.imgs = undefined;
  const at = node.widgets?.findIndex((widget) => widget.name === "$$canvas-image-preview") ?? -1;
  if (at >= 0) {
    node.widgets[at].onRemove?.();
    node.widgets.splice(at, 1);
  }
}

function addPanel(node) {
  const panel = new Panel({
    url: (file) => api.apiURL(viewPath(file)),
    word: dictionary(language()),
    resized: () => grow(node),
  });
  const height = () => (panel.filled ? FILLED_HEIGHT : EMPTY_HEIGHT);
  const widget = node.addDOMWidget("mmsr_view", "MMSR_VIEW", panel.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: height,
    getValue: () => "",
    setValue: () => {},
  });
  widget.serialize = false; // the saved workflow as well as the prompt
  panels.set(node, { panel, wanted: null });

  const executed = node.onExecuted;
  node.onExecuted = function (output) {
    executed?.apply(this, arguments);
    const file = output?.mmsr?.[0];
    if (!file) return;
    remember(sessionStorage, node, file);
    dropLivePreview(node);
    setTimeout(() => dropLivePreview(node), 500); // one that was still being decoded
    showFile(node, file);
  };
  const removed = node.onRemoved;
  node.onRemoved = function () {
    removed?.apply(this, arguments);
    panel.dispose();
  };
}

app.registerExtension({
  name: "mmsr.views",
  nodeCreated(node) {
    if (NODES.has(node.comfyClass)) addPanel(node);
  },
  loadedGraphNode(node) {
    if (!panels.has(node)) return;
    const file = recall(sessionStorage, node);
    if (file) showFile(node, file);
  },
});
