/** What a request or a batch of the migrator's holds. */
export interface RecordedBatch {
  readonly batch: readonly { readonly sql: string; readonly params: readonly string[] }[];
}

/** True where a request's body writes rows of a table. */
export function insertsInto(table: string, body: string): boolean {
  const { batch = [] } = JSON.parse(body) as Partial<RecordedBatch>;
  return batch.some(({ sql }) => sql.startsWith(`INSERT INTO "${table}"`));
}

/** The checkpoint that a batch moves: its id stands in the condition of the UPDATE. */
export function checkpointOf({ batch }: RecordedBatch): string {
  const { sql = '', params = [] } = batch.at(-1) ?? {};
  const at = sql.search(/\bid = CAST\(\?/);
  const id = at < 0 ? undefined : params[sql.slice(0, at).split('?').length - 1];
  if (id === undefined) throw new Error(`No checkpoint is moved by: ${sql}`);
  return id;
}

/** What was recorded, by checkpoints: one after the other within each, as each write waits for the cursor of the last. */
export function byCheckpoint<Item>(items: readonly { checkpoint: string; item: Item }[]): Item[][] {
  const groups = new Map<string, Item[]>();
  for (const { checkpoint, item } of items) {
    const group = groups.get(checkpoint);
    if (group) group.push(item);
    else groups.set(checkpoint, [item]);
  }
  return [...groups.values()];
}

/** Sends everything back to back, so many at a time, without waiting for anything but the answers. */
export async function sendAll<Item>(
  groups: readonly (readonly Item[])[],
  inFlight: number,
  send: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = groups.values();
  const lane = async (): Promise<void> => {
    for (const group of waiting) {
      for (const item of group) await send(item);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}
