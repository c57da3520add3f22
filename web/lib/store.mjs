// Remembers, for this browser tab, which result belongs to which node. Pure but for `storage`.
//
// Nothing goes into the workflow file: what a node shows is no part of the workflow, and undo must
// not step through results. The key is the opened workflow's path, its graph's own id and the node's: a
// reload and an undo, which make the nodes anew, find it again. The ids alone would not do: every
// workflow that was opened from one template has the same.

const PREFIX = "mmsr:";
const LIMIT = 200;

/** Key of a node in the workflow opened as `place`, or null where it is in no graph yet. */
export function keyOf(node, place = "") {
  const graph = node?.graph?.id;
  if (graph === undefined || graph === null || node.id === undefined) return null;
  if (node.id === -1 || node.id === "-1") return null;
  return `${PREFIX}${place}:${graph}:${node.id}:${node.comfyClass ?? node.type}`;
}

/** Keeps the file that a node's result is in. */
export function remember(storage, node, file, place) {
  const key = keyOf(node, place);
  if (!key) return;
  try {
    forgetOldest(storage);
    storage.setItem(key, JSON.stringify({ file, at: Date.now() }));
  } catch {
    // Storage is full or forbidden: the view is only lost at the next reload.
  }
}

/** The file of a node's last result, or null. */
export function recall(storage, node, place) {
  const key = keyOf(node, place);
  if (!key) return null;
  try {
    const found = JSON.parse(storage.getItem(key));
    return found && typeof found.file?.filename === "string" ? found.file : null;
  } catch {
    return null;
  }
}

function forgetOldest(storage) {
  const own = [];
  for (let i = 0; i < storage.length; i++) {
    const key = storage.key(i);
    if (key?.startsWith(PREFIX)) own.push(key);
  }
  if (own.length < LIMIT) return;
  const age = (key) => {
    try {
      return JSON.parse(storage.getItem(key)).at ?? 0;
    } catch {
      return 0;
    }
  };
  own.sort((a, b) => age(a) - age(b));
  for (const key of own.slice(0, own.length - LIMIT + 1)) storage.removeItem(key);
}

/** Path of a file for the host's /view, relative to its api root. */
export function viewPath(file) {
  const query = new URLSearchParams({
    filename: file.filename,
    subfolder: file.subfolder ?? "",
    type: file.type ?? "temp",
  });
  return `/view?${query}`;
}
