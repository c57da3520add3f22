// Which opened workflow a run belongs to. Pure.
//
// The host hands a result to the node with its id in the workflow that is in sight. That may be
// another one than the one that was queued: its nodes have the same ids where both come from one
// template.

const LIMIT = 500;

/** A name for an opened workflow that no other opened one has. */
export const placeOf = (workflow) => workflow?.path ?? "";

/** The opened workflows whose own outputs, as the frontend notes them, hold a file. */
export function holdersOf(file, workflows, fileIn) {
  const holds = (output) => fileIn(output)?.filename === file.filename;
  return workflows.filter((one) => Object.values(one?.changeTracker?.nodeOutputs ?? {}).some(holds));
}

export class Runs {
  constructor() {
    this.owners = new Map();
  }

  /** These prompts are this workflow's, unless they are known to be another's. */
  claim(promptIds, workflow) {
    for (const id of promptIds) if (!this.owners.has(id)) this.owners.set(id, workflow);
    for (const id of this.owners.keys()) {
      if (this.owners.size <= LIMIT) break;
      this.owners.delete(id);
    }
  }

  /** Whose prompt it is: `inSight` where nobody has claimed it. */
  ownerOf(promptId, inSight) {
    return this.owners.get(promptId) ?? inSight;
  }
}

/** Ids of the prompts in the host's queue, in its raw form or in the frontend's. */
export function queuedIds(queue) {
  const lists = [queue?.queue_running, queue?.queue_pending, queue?.Running, queue?.Pending];
  return lists.flatMap((list) => list ?? []).map((task) => (task.prompt ?? task)[1]);
}
