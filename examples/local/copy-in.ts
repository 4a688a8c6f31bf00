import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { ClientBase, Submittable } from 'pg';

/** The part of pg's own connection object that its extension point for queries works with. */
interface CopyConnection {
  stream: Writable;
  query(sql: string): void;
  sendCopyFromChunk(chunk: Buffer): boolean;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

/**
 * Sends rows by COPY, PostgreSQL's fastest way in. `rows` gives whole lines in COPY's text format; they are
 * made while the server takes in the ones before.
 */
export function copyIn(client: ClientBase, sql: string, rows: Iterable<string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const copy = {
      submit(connection: CopyConnection): void {
        connection.query(sql);
      },
      handleCopyInResponse(connection: CopyConnection): void {
        sendAll(connection, rows).catch((error: unknown) => connection.sendCopyFail(String(error)));
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

const CHUNK_CHARACTERS = 1 << 18;

async function sendAll(connection: CopyConnection, rows: Iterable<string>): Promise<void> {
  let text = '';
  const send = async (): Promise<void> => {
    connection.sendCopyFromChunk(Buffer.from(text));
    text = '';
    if (connection.stream.writableNeedDrain) await once(connection.stream, 'drain');
  };
  for (const row of rows) {
    text += row;
    if (text.length >= CHUNK_CHARACTERS) await send();
  }
  await send();
  connection.endCopyFrom();
}

/** A text value inside a line of COPY. */
export function copyText(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\t', '\\t')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r');
}
