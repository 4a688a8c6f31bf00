import type { Envelope } from '../../examples/local/envelope.ts';
import type { LocalEnvironment } from '../../examples/local/stack.ts';

export interface Meta {
  changes: number;
  rows_read: number;
  rows_written: number;
}

export interface Reply<Results> extends Envelope<{ success: boolean; results: Results; meta: Meta }[]> {
  status: number;
  headers: Headers;
}

export interface RawResults {
  columns: string[];
  rows: unknown[][];
}

export interface Query {
  sql: string;
  params?: unknown[];
}

type Init = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> };

/** A REST client without a line of the SDK, so that these tests stand on their own. */
export function restClient(env: LocalEnvironment): {
  raw(body: Query | { batch: Query[] } | string): Promise<Reply<RawResults>>;
  query(body: Query | { batch: Query[] }): Promise<Reply<Record<string, unknown>[]>>;
  request(path: string, init?: Init): Promise<Response>;
  rows(sql: string): Promise<unknown[][]>;
} {
  const database = `/accounts/${env.CLOUDFLARE_ACCOUNT_ID}/d1/database/${env.D1_DATABASE_ID}`;
  const request = (path: string, init: Init = {}): Promise<Response> =>
    fetch(`${env.CLOUDFLARE_API_BASE_URL}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${env.CLOUDFLARE_API_TOKEN}`, ...init.headers },
    });
  async function post<Results>(path: string, body: unknown): Promise<Reply<Results>> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await request(`${database}${path}`, { method: 'POST', body: text });
    const envelope = (await response.json()) as Envelope<
      { success: boolean; results: Results; meta: Meta }[]
    >;
    return { ...envelope, status: response.status, headers: response.headers };
  }
  return {
    request,
    raw: (body) => post('/raw', body),
    query: (body) => post('/query', body),
    async rows(sql) {
      const { result } = await post<RawResults>('/raw', { sql });
      return result[0]?.results.rows ?? [];
    },
  };
}
