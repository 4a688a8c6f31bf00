import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Runner, RunnerStatus } from './runner.ts';

/** Whether the service still takes part; false once it was asked to end. */
export type IsHealthy = () => boolean;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** The service's endpoint. Whoever reaches it may run and pause the migration. */
export function createEndpoint(runner: Runner, isHealthy: IsHealthy): Server {
  const routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
    '/status': {
      GET: (request, response) => {
        const status = runner.status();
        if (prefersText(request.headers.accept)) sendText(response, 200, asText(status));
        else sendJson(response, 200, status);
      },
    },
    '/healthz': {
      GET: (_request, response) => {
        const healthy = isHealthy();
        sendJson(response, healthy ? 200 : 503, { status: healthy ? 'ok' : 'ending' });
      },
    },
    '/run': {
      POST: (_request, response) => {
        if (isHealthy()) runner.start();
        sendJson(response, isHealthy() ? 202 : 503, runner.status());
      },
    },
    '/pause': {
      POST: (_request, response) => {
        void runner.pause();
        sendJson(response, 202, runner.status());
      },
    },
  };
  return createServer((request, response) => {
    const [path = ''] = (request.url ?? '').split('?');
    const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const handler = methods && Object.hasOwn(methods, request.method ?? '') && methods[request.method ?? ''];
    request.resume();
    // Browsers send an origin with every POST of a page: no page is to start or pause anything.
    const fromPage = request.method === 'POST' && request.headers.origin !== undefined;
    if (!methods) sendJson(response, 404, { error: 'There is no such path.' });
    else if (!handler) {
      response.setHeader('allow', Object.keys(methods).join(', '));
      sendJson(response, 405, { error: `This path takes ${Object.keys(methods).join(', ')} alone.` });
    } else if (fromPage) sendJson(response, 403, { error: 'Requests of web pages are refused.' });
    else handler(request, response);
  });
}

/** JSON unless text alone is asked for: a terminal with curl and a program both send a star. */
function prefersText(accept: string | undefined): boolean {
  return accept !== undefined && /\btext\//.test(accept) && !/\bapplication\/json\b/.test(accept);
}

/** The status in a few lines for a terminal. */
function asText(status: RunnerStatus): string {
  const { state, migration, rows, totalRows, percent, rowsPerSecond, remainingMs, checkpoints } = status;
  const number = (value: number): string => value.toLocaleString('en');
  const lines = [
    `${migration ?? '(not planned yet)'}: ${state}`,
    `rows: ${number(rows)}${totalRows === null ? '' : ` of about ${number(totalRows)}`} (${percent.toFixed(1)} %)`,
    `checkpoints: ${number(checkpoints.completed)} of ${number(checkpoints.total)}`,
  ];
  if (rowsPerSecond > 0) lines.push(`speed: ${number(rowsPerSecond)} rows a second`);
  if (remainingMs !== null) lines.push(`left: about ${number(Math.ceil(remainingMs / 1_000))} s`);
  if (status.resumeAt) lines.push(`goes on at: ${status.resumeAt.toISOString()}`);
  for (const { checkpoint, code } of status.failures) lines.push(`failed: checkpoint ${checkpoint}, ${code}`);
  if (status.error) lines.push(`error: ${status.error.code}. ${status.error.help}`);
  return `${lines.join('\n')}\n`;
}

function sendText(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    vary: 'accept',
  });
  response.end(text);
}

function sendJson(response: ServerResponse, code: number, value: unknown): void {
  response.writeHead(code, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    vary: 'accept',
  });
  response.end(`${JSON.stringify(value)}\n`);
}
