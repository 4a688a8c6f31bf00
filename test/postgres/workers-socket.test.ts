import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { WorkersSocket } from '../../src/postgres/workers-socket.ts';

/** A socket as a Worker's `connect()` gives it, whose other end is this process. */
function connected(): {
  readonly socket: WorkersSocket;
  readonly heard: string[];
  /** What the other end sends, each piece by itself. */
  send(text: string): void;
  end(): void;
  /** How many times the socket asked for bytes. */
  readonly asked: () => number;
} {
  const heard: string[] = [];
  const pieces: Uint8Array[] = [];
  let asked = 0;
  let wake = (): void => undefined;
  const readable = new ReadableStream({
    type: 'bytes',
    pull: async (controller) => {
      asked += 1;
      while (pieces.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const request = controller.byobRequest;
      const piece = pieces.shift() as Uint8Array;
      if (piece.length === 0) {
        controller.close();
        request?.respond(0);
        return;
      }
      new Uint8Array(request?.view?.buffer as ArrayBuffer).set(piece);
      request?.respond(piece.length);
    },
  }) as ReadableStream<Uint8Array>;
  const socket = new WorkersSocket(() => ({
    readable,
    writable: new WritableStream(),
    closed: new Promise(() => undefined),
    close: () => Promise.resolve(),
  }));
  socket.on('data', (bytes: Uint8Array) => void heard.push(new TextDecoder().decode(bytes)));
  socket.on('end', () => void heard.push('end'));
  socket.connect(5432, 'localhost');
  return {
    socket,
    heard,
    asked: () => asked,
    send: (text) => {
      pieces.push(new TextEncoder().encode(text));
      wake();
    },
    end: () => {
      pieces.push(new Uint8Array());
      wake();
    },
  };
}

test('a socket that was told to rest hands nothing over and reads no further, until it is told to go on', async () => {
  const { socket, heard, send, end, asked } = connected();
  send('one');
  await expect.poll(() => heard).toEqual(['one']);
  socket.pause();
  for (const text of ['two', 'three', 'four']) send(text);
  await sleep(20);
  expect(heard).toEqual(['one']);
  expect(asked(), 'it had asked for one piece before').toBe(2);
  socket.resume();
  await expect.poll(() => heard).toEqual(['one', 'two', 'three', 'four']);
  end();
  await expect.poll(() => heard.at(-1)).toBe('end');
});

test('a socket that is told to rest once more before it went on does so', async () => {
  const { socket, heard, send } = connected();
  socket.pause();
  send('one');
  await sleep(20);
  socket.resume();
  socket.pause();
  await sleep(20);
  expect(heard).toEqual([]);
  socket.resume();
  await expect.poll(() => heard).toEqual(['one']);
});

test('a socket goes on by itself where it was never told to rest', async () => {
  const { socket, heard, send } = connected();
  socket.resume();
  send('one');
  await expect.poll(() => heard).toEqual(['one']);
});
