import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { D1RestDatabase } from 'resumable-migrator/d1';
import { httpFetch } from 'resumable-migrator/node';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** Where a server answers that does this with every request. */
async function serving(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/path?query=1`;
}

/** A server that says what it was sent. */
const echo = (): Promise<string> =>
  serving((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const { authorization, 'content-length': length, 'transfer-encoding': encoding } = headers;
      const body = Buffer.concat(chunks).toString('base64');
      response
        .setHeader('x-two', ['a', 'b'])
        .end(JSON.stringify({ method, url, authorization, length, encoding, body }));
    });
  });

/** What is found by both: the one under test, and the global one. */
async function byBoth(url: string, init?: RequestInit): Promise<readonly [unknown, unknown]> {
  const of = async (send: typeof fetch): Promise<unknown> => {
    const response = await send(url, { redirect: 'manual', ...init });
    const headers = Object.fromEntries(
      [...response.headers].filter(([name]) => !/^(date|connection|keep-alive)$/.test(name)),
    );
    return { status: response.status, ok: response.ok, headers, text: await response.text() };
  };
  return [await of(httpFetch), await of(fetch)];
}

describe('a fetch over Node, beside the global one', () => {
  test.each([
    ['nothing', {}],
    ['a text', { method: 'POST', body: 'ä 東 😀', headers: { authorization: 'Bearer x' } }],
    ['bytes', { method: 'POST', body: new Uint8Array([0, 255, 10, 13]) }],
    ['a part of a buffer', { method: 'PUT', body: new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4) }],
    ['two million bytes', { method: 'POST', body: new Uint8Array(2_000_000).fill(97) }],
  ] satisfies [string, RequestInit][])('sends %s and hands the answer over alike', async (_what, init) => {
    const [found, expected] = await byBoth(await echo(), init);
    expect(found).toEqual(expected);
    expect(found).toMatchObject({ status: 200, headers: { 'x-two': 'a, b' } });
  });

  test.each([204, 301, 307, 400, 429, 500])(
    'hands over an answer with status %i, and follows none',
    async (status) => {
      const url = await serving((_request, response) =>
        response
          .writeHead(status, { location: 'http://127.0.0.1:9/', 'retry-after': '7' })
          .end(status === 204 ? undefined : 'body'),
      );
      const [found, expected] = await byBoth(url);
      expect(found).toEqual(expected);
      expect(found).toMatchObject({ status, headers: { 'retry-after': '7' } });
    },
  );

  test('reads an answer as it comes, so that one without end can be given up', async () => {
    let sent = 0;
    const url = await serving((_request, response) => {
      const more = (): void => {
        if (response.destroyed) return;
        sent += 100_000;
        response.write('x'.repeat(100_000), () => setImmediate(more));
      };
      more();
    });
    const database = new D1RestDatabase({
      accountId: 'a',
      databaseId: 'd',
      apiToken: 't',
      baseUrl: url,
      maxResponseBytes: 500_000,
      fetch: httpFetch,
    });
    await expect(database.prepare('SELECT 1').all()).rejects.toMatchObject({ code: 'SINK_PROTOCOL' });
    expect(sent).toBeLessThan(50_000_000);
  });

  test('reads no further than it is asked to, and breaks the connection once nobody asks any more', async () => {
    let sent = 0;
    let isClosed = false;
    const url = await serving((_request, response) => {
      const more = (): void => {
        if (isClosed) return;
        sent += 100_000;
        response.write('x'.repeat(100_000), () => setImmediate(more));
      };
      response.on('close', () => (isClosed = true));
      more();
    });
    const reader = (await httpFetch(url)).body?.getReader();
    let before = -1;
    const hasStopped = (): boolean => {
      const same = sent === before;
      before = sent;
      return same;
    };
    await expect.poll(hasStopped, { interval: 200, timeout: 10_000 }).toBe(true);
    const held = sent;
    for (let bytes = 0; bytes < held + 10_000_000;)
      bytes += (await reader?.read())?.value?.length ?? Infinity;
    expect(sent, 'goes on once it is read').toBeGreaterThan(held + 9_000_000);
    await reader?.cancel();
    await expect.poll(() => isClosed).toBe(true);
  });

  test('ends with its signal, before and while it waits, and rejects with the reason', async () => {
    const url = await serving(() => undefined);
    const reason = new Error('enough');
    await expect(httpFetch(url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const waiting = httpFetch(url, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(waiting).rejects.toBe(reason);
  });

  test('ends with its signal while the answer comes, and whoever reads it has the reason', async () => {
    const url = await serving((_request, response) => void response.write('half'));
    const controller = new AbortController();
    const response = await httpFetch(url, { signal: controller.signal });
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 20);
    await expect(response.text()).rejects.toBe(reason);
  });

  test('says by its code that nobody listens, and that a connection broke', async () => {
    await expect(httpFetch('http://127.0.0.1:9/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const url = await serving((request) => request.socket.destroy());
    await expect(httpFetch(url, { method: 'POST', body: 'x' })).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('an answer that breaks off is an error for whoever reads it', async () => {
    const url = await serving((request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => request.socket.destroy());
    });
    const response = await httpFetch(url);
    await expect(response.text()).rejects.toThrow(/aborted|terminated|reset/i);
  });

  test('refuses a body that it cannot send as it is', async () => {
    await expect(httpFetch('http://127.0.0.1:9/', { method: 'POST', body: new FormData() })).rejects.toThrow(
      TypeError,
    );
  });
});
