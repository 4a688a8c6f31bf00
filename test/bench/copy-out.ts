import type { ClientBase, Submittable } from 'pg';

/**
 * Reads by COPY, PostgreSQL's fastest way out. `onRow` gets each row's line in COPY's text format, with its line end; what
 * it needs for longer it has to copy.
 */
export function copyOut(client: ClientBase, sql: string, onRow: (line: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const copy = {
      submit(connection: { query(text: string): void }): void {
        connection.query(sql);
      },
      handleCopyData({ chunk }: { chunk: Buffer }): void {
        onRow(chunk);
      },
      handleCommandComplete(): void {},
      handleReadyForQuery(): void {
        resolve();
      },
      handleError(error: Error): void {
        reject(error);
      },
    };
    client.query(copy as unknown as Submittable);
  });
}
