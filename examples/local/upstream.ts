import { request as httpRequest, type Agent } from 'node:http';
import { failureText } from './envelope.ts';
import type { Fault } from './faults.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

export interface ApiRequest {
  method: string;
  /** Path and query, as they came. */
  url: string;
  chunks: Buffer[];
  bytes: number;
}

/** Sends a request's bytes on as they came; nothing is parsed or joined on the way. */
export function send(agent: Agent, origin: URL, { method, url, chunks, bytes }: ApiRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        agent,
        host: origin.hostname,
        port: origin.port,
        path: url,
        method,
        headers: { 'content-type': 'application/json', 'content-length': bytes },
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const headers: Record<string, string> = {};
          for (const [name, value] of Object.entries(incoming.headers)) {
            if (!HOP_BY_HOP.has(name)) headers[name] = String(value);
          }
          const [only] = parts;
          const body = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
          resolve({ status: incoming.statusCode ?? 500, headers, body });
        });
      },
    );
    outgoing.on('error', reject);
    for (const chunk of chunks) outgoing.write(chunk);
    outgoing.end();
  });
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'date']);

/** A refusal in Cloudflare's envelope. */
export function failure(status: number, code: number, message: string): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: failureText(code, message) };
}

/** What the client sees of a `status` or `html` fault. */
export function faultAnswer(fault: Extract<Fault, { kind: 'status' | 'html' }>): Answer {
  if (fault.kind === 'status') {
    return addHeaders(failure(fault.status, fault.code, fault.message), fault.headers);
  }
  const title = { 502: 'Bad gateway', 503: 'Service unavailable', 504: 'Gateway time-out' }[fault.status];
  const body = `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${fault.status} ${title}</h1></body></html>\n`;
  return { status: fault.status, headers: { 'content-type': 'text/html; charset=UTF-8' }, body };
}

/** The first half of an answer, with a length that fits it: only the JSON tells that it is not whole. */
export function truncated(answer: Answer): Answer {
  const whole = Buffer.from(answer.body);
  return { ...answer, body: whole.subarray(0, whole.length >> 1) };
}

export function addHeaders(answer: Answer, headers: Record<string, string> | undefined): Answer {
  return headers === undefined ? answer : { ...answer, headers: { ...answer.headers, ...headers } };
}

/** A statement of a request, and its parameters. */
export interface SentQuery {
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** The statements of a request, for hooks that choose their victims by them. */
export function queriesOf(chunks: Buffer[]): SentQuery[] {
  try {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Partial<SentQuery> & {
      batch?: Partial<SentQuery>[];
    };
    return (body.batch ?? [body]).map(({ sql = '', params = [] }) => ({ sql, params }));
  } catch {
    return [];
  }
}
