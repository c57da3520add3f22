// Results of nodes that the host took from its cache.
//
// The host sends no message for such a node unless it is an output itself, so that a tab that has
// not seen the first run (a new one, after a reload) would stay empty. Its history has them.

const TRIES = 20;
const PAUSE_MS = 250;

/** The file in a node's output, or null. */
export const fileIn = (output) => {
  const file = output?.mmsr?.[0];
  return typeof file?.filename === "string" ? file : null;
};

/** The node with an execution id such as "7", or "3:7" inside of subgraph node 3; or null. */
export function findNode(graph, id) {
  const [own, ...rest] = String(id).split(":");
  const node = graph?.getNodeById?.(own) ?? graph?.getNodeById?.(Number(own)) ?? null;
  return rest.length && node ? findNode(node.subgraph, rest.join(":")) : node;
}

/**
 * Calls `found(id, file)` for each of the nodes `ids` whose result is in the history of a prompt.
 * The host writes its history a moment after it has said that the prompt is done.
 * @param fetchHistory(promptId) gives the host's answer, an object by prompt id
 */
export async function showCached(promptId, ids, fetchHistory, found, pause = PAUSE_MS) {
  for (let i = 0; i < TRIES; i++) {
    const outputs = (await fetchHistory(promptId))?.[promptId]?.outputs;
    if (outputs) {
      for (const id of ids) {
        const file = fileIn(outputs[id]);
        if (file) found(id, file);
      }
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
