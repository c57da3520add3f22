// Shows what the pack's nodes found, on the nodes themselves. Works with Vue nodes and the canvas.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { fileIn, findNode, showCached } from "./lib/cached.mjs";
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
  "MMSR_MergeUpscale",
]);
// The same with and without a result: a node that grew when it ran would be a change of the
// workflow, which undo then steps through and which cuts off redo.
const HEIGHT = MIN_HEIGHT + 20; // and the host's margins
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

/** Shows the result of a run, and keeps it for when the node is made anew. */
function showNew(node, file) {
  remember(sessionStorage, node, file);
  showFile(node, file);
}

/**
 * Takes the run's live preview off a node that now shows the result itself. The preview made the
 * node taller: it is given the height back that it had before.
 */
function dropLivePreview(node) {
  const state = panels.get(node);
  const previews = app.nodePreviewImages ?? {};
  for (const key of [String(node.id), `${node.graph?.id}:${node.id}`]) delete previews[key];
  node.imgs = undefined;
  const at = node.widgets?.findIndex((widget) => widget.name === "$$canvas-image-preview") ?? -1;
  if (at >= 0) {
    node.widgets[at].onRemove?.();
    node.widgets.splice(at, 1);
  }
  state.panel.element.classList.add("mmsr-done"); // hides what Vue nodes keep, see dom.mjs
  if (state.height && state.height < node.size[1]) node.setSize([node.size[0], state.height]);
}

function addPanel(node) {
  const panel = new Panel({
    url: (file) => api.apiURL(viewPath(file)),
    word: dictionary(language()),
  });
  const widget = node.addDOMWidget("mmsr_view", "MMSR_VIEW", panel.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => HEIGHT,
    getValue: () => "",
    setValue: () => {},
  });
  widget.serialize = false; // the saved workflow as well as the prompt
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width, NODE_WIDTH), Math.max(node.size[1], height)]);
  const state = { panel, wanted: null, height: 0 };
  panels.set(node, state);

  const executed = node.onExecuted;
  node.onExecuted = function (output) {
    executed?.apply(this, arguments);
    const file = fileIn(output);
    if (!file) return;
    dropLivePreview(node);
    setTimeout(() => {
      dropLivePreview(node); // one that was still being decoded
      state.height = 0;
    }, 500);
    showNew(node, file);
  };
  const removed = node.onRemoved;
  node.onRemoved = function () {
    removed?.apply(this, arguments);
    panel.dispose();
  };
}

/** Notes a node's height before its first live preview, and lets the preview be seen. */
function watchPreviews() {
  api.addEventListener("b_preview_with_metadata", ({ detail }) => {
    const node = findNode(app.rootGraph ?? app.graph, detail?.displayNodeId ?? "");
    const state = panels.get(node);
    if (!state) return;
    state.height ||= node.size[1];
    state.panel.element.classList.remove("mmsr-done");
  });
}

/** Watches for nodes that are not run again because the host has their results already. */
function watchCache() {
  let cached = {};
  api.addEventListener("execution_cached", ({ detail }) => (cached = detail ?? {}));
  api.addEventListener("execution_success", ({ detail }) => {
    if (detail?.prompt_id !== cached.prompt_id) return;
    const waiting = new Map();
    for (const id of cached.nodes ?? []) {
      const node = findNode(app.rootGraph ?? app.graph, id);
      if (panels.has(node)) waiting.set(id, node);
    }
    if (!waiting.size) return;
    const history = async (id) => {
      const reply = await api.fetchApi(`/history/${id}`);
      return reply.ok ? reply.json() : null;
    };
    const found = (id, file) => {
      const node = waiting.get(id);
      if (panels.get(node)?.wanted !== file.filename) showNew(node, file);
    };
    showCached(detail.prompt_id, waiting.keys(), history, found).catch(() => {
      // The server is away: what was shown stays.
    });
  });
}

app.registerExtension({
  name: "mmsr.views",
  setup() {
    watchCache();
    watchPreviews();
  },
  nodeCreated(node) {
    if (NODES.has(node.comfyClass)) addPanel(node);
  },
  loadedGraphNode(node) {
    if (!panels.has(node)) return;
    const file = recall(sessionStorage, node);
    if (file) showFile(node, file);
  },
});
