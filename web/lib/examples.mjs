// The example pictures of the templates: uploaded where Load Image looks, once one is missing.
// No host import.

const EXAMPLE = /^example_\w+\.png$/;

/** All nodes of a saved workflow, those of its subgraphs as well. */
const nodesOf = (graph) =>
  [graph, ...(graph?.definitions?.subgraphs ?? [])].flatMap((one) => one?.nodes ?? []);

/** The example pictures that a saved workflow with nodes of this pack loads. */
export function examplesIn(graph) {
  const nodes = nodesOf(graph);
  if (!nodes.some((node) => String(node.type).startsWith("MMSR_"))) return [];
  const loaded = nodes.filter((node) => node.type === "LoadImage").map((node) => node.widgets_values?.[0]);
  return [...new Set(loaded.filter((name) => typeof name === "string" && EXAMPLE.test(name)))];
}

/** Uploads one example; false where the pack has no such picture. */
async function upload(name, request) {
  const reply = await request(`/mmsr/examples/${name}`);
  if (reply.status === 404) return false;
  if (!reply.ok) throw new Error(`${reply.status}`);
  const form = new FormData();
  form.append("image", await reply.blob(), name);
  form.append("type", "input");
  const made = await request("/upload/image", { method: "POST", body: form });
  if (!made.ok) throw new Error(`${made.status}`);
  return true;
}

/**
 * Uploads those of the examples that the host's input folder lacks. A file of that name stays.
 *
 * @param names of pictures
 * @param request the host's `fetchApi`
 * @returns {added, failed} names
 */
export async function provideExamples(names, request) {
  const [added, failed] = [[], []];
  for (const name of names) {
    try {
      const there = await request(`/view?filename=${name}&type=input`, { method: "HEAD" });
      if (!there.ok && (await upload(name, request))) added.push(name);
    } catch {
      failed.push(name);
    }
  }
  return { added, failed };
}

/** Has the choices of Load Image, which were listed when the page was opened, hold new pictures. */
export function offerExamples(nodes, names) {
  for (const node of nodes) {
    const widget = node.type === "LoadImage" && node.widgets?.find((one) => one.name === "image");
    const values = widget?.options?.values;
    if (!Array.isArray(values)) continue;
    widget.options.values = [...new Set([...values, ...names])].sort();
  }
}
