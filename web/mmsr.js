// Shows what the pack's nodes found, on the nodes themselves. Works with Vue nodes and the canvas.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { examplesIn, offerExamples, provideExamples } from "./lib/examples.mjs";
import { showIdle, showMeasured } from "./lib/measured.mjs";
import { fileIn, findNode, findSaved } from "./lib/outputs.mjs";
import { MIN_HEIGHT, Panel } from "./lib/panel.mjs";
import { startNamed, tiePreset } from "./lib/presets.mjs";
import { holdersOf, placeOf, queuedIds, Runs } from "./lib/runs.mjs";
import { keyOf, recall, remember, viewPath } from "./lib/store.mjs";
import { dictionary, filled } from "./lib/words.mjs";

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
// A loaded workflow is made the active one a moment after its nodes are made.
const RECALL_MS = [50, 300, 1500, 4000];
const panels = new Map();
const runs = new Runs();
/** Example pictures that were looked for on this page, and those that were uploaded. */
const [examplesSeen, examplesAdded] = [new Set(), new Set()];

/** The opened workflow that is in sight. */
const inSight = () => app.extensionManager?.workflow?.activeWorkflow;

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
  const state = panels.get(node);
  dropLivePreview(node);
  setTimeout(() => {
    if (!panels.has(node)) return;
    dropLivePreview(node); // one that was still being decoded
    state.height = 0;
  }, 500);
  const place = placeOf(inSight());
  remember(sessionStorage, node, file, place);
  state.key = keyOf(node, place);
  showFile(node, file);
}

/** Shows what each node of the workflow in sight has shown last. */
function recallAll() {
  const place = placeOf(inSight());
  for (const [node, state] of panels) {
    const key = keyOf(node, place);
    if (!key || key === state.key) continue;
    state.key = key;
    const file = recall(sessionStorage, node, place);
    if (file) showFile(node, file);
    else if (state.wanted) {
      state.wanted = null;
      state.panel.message("empty");
    }
  }
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

/** Uploads the example pictures that a workflow lacks, and says so. */
async function bringExamples(graph) {
  const names = examplesIn(graph).filter((name) => !examplesSeen.has(name));
  if (!names.length) return;
  const { added, failed } = await provideExamples(names, (...given) => api.fetchApi(...given));
  for (const name of names) if (!failed.includes(name)) examplesSeen.add(name);
  for (const name of added) examplesAdded.add(name);
  const word = dictionary(language());
  const tell = (severity, key, list) =>
    list.length &&
    app.extensionManager?.toast?.add?.({
      severity, summary: "MMSR", detail: filled(word(key), { names: list.join(", ") }), life: 8000,
    });
  tell("info", "examplesAdded", added);
  tell("warn", "examplesFailed", failed);
}

/** The nodes of a graph and of its subgraphs. */
function allNodes(graph) {
  const subgraphs = [...(graph?.subgraphs?.values?.() ?? [])];
  return [graph, ...subgraphs].flatMap((one) => [...(one?.nodes ?? [])]);
}

/** Acts on a new node, unless it gets the values of a saved or a copied one. */
function whenAddedByHand(node, act) {
  const own = node.onConfigure;
  let given = false;
  node.onConfigure = function () {
    given = true;
    return own?.apply(this, arguments);
  };
  // All that loads a node gives it its values before it lets go of the page.
  queueMicrotask(() => given || act(node));
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
  panels.set(node, { panel, wanted: null, height: 0, key: null });
  const removed = node.onRemoved;
  node.onRemoved = function () {
    removed?.apply(this, arguments);
    panels.delete(node);
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

/** Drops the live previews of a subgraph's nodes when it is opened: it may have run out of sight. */
function watchSubgraphs() {
  app.canvas?.canvas?.addEventListener("litegraph:set-graph", ({ detail }) => {
    setTimeout(() => {
      for (const [node, state] of panels) {
        if (state.wanted && node.graph === detail?.newGraph) dropLivePreview(node);
      }
    }, 500); // after the frontend has shown them
  });
}

/** Notes which workflow each run is of. */
function watchQueue() {
  api.addEventListener("promptQueued", async () => {
    const workflow = inSight();
    try {
      const reply = await api.fetchApi("/queue");
      if (reply.ok) runs.claim(queuedIds(await reply.json()), workflow);
    } catch {
      // The server is away: nothing runs.
    }
  });
}

/** The opened workflow that a result is of. */
function ownerOf(promptId, file) {
  const opened = app.extensionManager?.workflow?.openWorkflows ?? [];
  const holders = holdersOf(file, [...opened], fileIn);
  return holders.length === 1 ? holders[0] : runs.ownerOf(promptId, inSight());
}

/** Shows results as they come; those of a workflow that is not in sight are kept for it. */
function watchResults() {
  api.addEventListener("executed", ({ detail }) => {
    const file = fileIn(detail?.output);
    if (!file) return;
    const id = detail.display_node ?? detail.node;
    // After the frontend has done with the message: it notes whose it is, and shows a preview.
    setTimeout(() => {
      const owner = ownerOf(detail.prompt_id, file);
      if (placeOf(owner) !== placeOf(inSight())) {
        const saved = findSaved(owner, id);
        if (saved) remember(sessionStorage, saved, file, placeOf(owner));
        return;
      }
      const node = findNode(app.rootGraph ?? app.graph, id);
      if (panels.has(node)) showNew(node, file);
    }, 0);
  });
}

app.registerExtension({
  name: "mmsr.views",
  setup() {
    watchQueue();
    watchResults();
    watchPreviews();
    watchSubgraphs();
  },
  nodeCreated(node) {
    if (NODES.has(node.comfyClass)) addPanel(node);
    if (!node.comfyClass?.startsWith("MMSR_")) return;
    tiePreset(node);
    const word = dictionary(language());
    for (const widget of node.widgets ?? []) showMeasured(widget, word("measured"));
    showIdle(node, word("idle"));
    whenAddedByHand(node, startNamed);
  },
  beforeConfigureGraph(graph) {
    return bringExamples(graph);
  },
  afterConfigureGraph() {
    if (examplesAdded.size) offerExamples(allNodes(app.rootGraph ?? app.graph), examplesAdded);
    for (const wait of RECALL_MS) setTimeout(recallAll, wait);
  },
});
