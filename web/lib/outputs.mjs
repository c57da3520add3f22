// What the host says that a node has made, and which node that is. Pure functions.

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
 * The same in a workflow that is open but not in sight, as `store.mjs` wants it: only the saved form
 * of its graph is there. Null inside of subgraphs.
 */
export function findSaved(workflow, id) {
  const graph = workflow?.activeState;
  const node = graph?.nodes?.find((one) => String(one.id) === String(id));
  return node ? { id: node.id, type: node.type, graph: { id: graph.id } } : null;
}
