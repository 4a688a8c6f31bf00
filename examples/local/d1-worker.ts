/**
 * The SQL half of Cloudflare's REST API for D1, as a Worker that runs in workerd beside the real D1.
 * The API server in `cloudflare-api.ts` stands before it and does what is not SQL: tokens, quotas, faults.
 */
import { CHANGES_HEADER, failureText, successText } from './envelope.ts';

/** The binding's inner part: the same endpoint the binding itself talks to. */
interface DatabaseBinding {
  fetcher: { fetch(url: string, init: RequestInit): Promise<Response> };
}

export interface WorkerEnv {
  /** Database id to the name of its binding. */
  DATABASES: Record<string, string>;
  [binding: string]: unknown;
}

interface Query {
  sql: string;
  params?: (string | number | null)[];
}

interface StatementResult {
  meta: { changes: number; size_after: number };
  results: { columns: string[]; rows: unknown[][] };
}

type Format = 'ROWS_AND_COLUMNS' | 'ARRAY_OF_OBJECTS';

const MAX_PARAMETERS = 100;
const MAX_SQL_BYTES = 100_000;
const MAX_VALUE_BYTES = 2_000_000;

class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export default {
  async fetch(request: Request, env: WorkerEnv): Promise<Response> {
    try {
      return await route(request, env);
    } catch (error) {
      if (error instanceof Refusal) return json(failureText(error.code, error.message), error.status);
      return json(failureText(7500, `internal error; reference = ${String(error)}`), 500);
    }
  },
};

async function route(request: Request, env: WorkerEnv): Promise<Response> {
  const { pathname } = new URL(request.url);
  const match = /^\/client\/v4\/accounts\/[^/]+\/d1\/database(?:\/([^/]+)(\/.*)?)?$/.exec(pathname);
  if (match === null) throw new Refusal(404, 7000, 'No route for that URI');
  const [, id, action = ''] = match;
  if (id === undefined) {
    const all = Object.keys(env.DATABASES).map((one) => describe(env, one));
    return json(successText(JSON.stringify(await Promise.all(all))));
  }
  const database = findDatabase(env, id);
  switch (`${request.method} ${action}`) {
    case 'POST /query':
      return query(database, request, 'ARRAY_OF_OBJECTS');
    case 'POST /raw':
      return query(database, request, 'ROWS_AND_COLUMNS');
    case 'GET ':
      return json(successText(JSON.stringify(await describe(env, id))));
    case 'GET /time_travel/bookmark': {
      const { bookmark } = await execute(database, JSON.stringify([{ sql: 'SELECT 1' }]), 'ROWS_AND_COLUMNS');
      return json(successText(JSON.stringify({ bookmark })));
    }
    default:
      throw new Refusal(405, 10405, 'Method not allowed for this authentication scheme');
  }
}

function findDatabase(env: WorkerEnv, id: string): DatabaseBinding {
  const name = env.DATABASES[id];
  if (name === undefined) throw new Refusal(404, 7404, `The database ${id} could not be found`);
  return env[name] as DatabaseBinding;
}

async function describe(env: WorkerEnv, id: string): Promise<Record<string, unknown>> {
  const sql = `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'`;
  const { text } = await execute(findDatabase(env, id), JSON.stringify([{ sql }]), 'ROWS_AND_COLUMNS');
  const [counted] = JSON.parse(text) as StatementResult[];
  return {
    uuid: id,
    name: env.DATABASES[id],
    version: 'production',
    num_tables: counted?.results.rows[0]?.[0] ?? 0,
    file_size: counted?.meta.size_after ?? 0,
    created_at: '2026-01-01T00:00:00.000Z',
    running_in_region: 'LOCAL',
    read_replication: { mode: 'disabled' },
  };
}

async function query(database: DatabaseBinding, request: Request, format: Format): Promise<Response> {
  const body = await request.text();
  const { queries, text } = readBody(body);
  for (const one of queries) checkLimits(one, body);
  const { text: results } = await execute(database, text ?? JSON.stringify(queries), format);
  const inserted = queries.map(({ sql }) => insertTarget(sql));
  const headers = new Headers({ 'content-type': 'application/json' });
  // Only writes are parsed again: their results are short, and a SELECT's can be long.
  if (inserted.some((table) => table !== undefined)) {
    headers.set(CHANGES_HEADER, encodeURIComponent(JSON.stringify(changesByTable(inserted, results))));
  }
  return new Response(successText(results), { headers });
}

/**
 * Checks the shape of a body. `text` is the JSON of the array of queries, cut out of the body where it can
 * be: to write 1.9 MB of parameters as JSON again would cost as much as to parse them did.
 */
function readBody(body: string): { queries: Query[]; text: string | undefined } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw malformed('Expected a JSON body');
  }
  if (typeof value !== 'object' || value === null) throw malformed('Expected an object');
  const { batch } = value as { batch?: unknown };
  const queries: unknown = batch === undefined ? [value] : batch;
  if (!Array.isArray(queries) || queries.length === 0)
    throw malformed('Expected a non-empty array as "batch"');
  for (const one of queries as Partial<Query>[]) {
    if (typeof one !== 'object' || one === null) throw malformed('Expected an object as query');
    if (typeof one.sql !== 'string' || one.sql.trim() === '') throw malformed('Expected a string as "sql"');
    if (one.params === null) delete one.params;
    if (one.params === undefined) continue;
    const known = Array.isArray(one.params) && one.params.every((param) => param === null || isScalar(param));
    if (!known) throw malformed('Expected strings, numbers or null as "params"');
  }
  const sliced =
    batch !== undefined &&
    Object.keys(value).length === 1 &&
    body.startsWith('{"batch":') &&
    body.endsWith(']}');
  return { queries: queries as Query[], text: sliced ? body.slice('{"batch":'.length, -1) : undefined };
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number';
}

function malformed(what: string): Refusal {
  return new Refusal(400, 7400, `The request is malformed: ${what}`);
}

/** The limits Cloudflare documents; workerd's own are wider. */
function checkLimits({ sql, params = [] }: Query, body: string): void {
  if (params.length > MAX_PARAMETERS) {
    throw new Refusal(400, 7500, `too many SQL variables at offset ${sql.indexOf('?')}: SQLITE_ERROR`);
  }
  if (isLonger(sql, MAX_SQL_BYTES)) throw new Refusal(400, 7500, 'statement too long: SQLITE_TOOBIG');
  // JSON never shortens a text, so a body within the limit has no parameter beyond it.
  if (!isLonger(body, MAX_VALUE_BYTES)) return;
  for (const param of params) {
    if (typeof param === 'string' && isLonger(param, MAX_VALUE_BYTES)) {
      throw new Refusal(400, 7500, 'string or blob too big: SQLITE_TOOBIG');
    }
  }
}

const encoder = new TextEncoder();

/** Whether a text has more than `limit` bytes as UTF-8; counts only where the length leaves it open. */
function isLonger(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  return encoder.encode(text).length > limit;
}

/** Runs queries as one transaction. Returns the results as JSON text, as D1 wrote them. */
async function execute(
  database: DatabaseBinding,
  queries: string,
  format: Format,
): Promise<{ text: string; bookmark: string | null }> {
  // Not `batch()`: that turns rows into objects, which loses columns of the same name, and all column
  // names where there are no rows. The endpoint behind the binding gives columns, rows and meta together.
  const answer = await database.fetcher.fetch(`http://d1/query?resultsFormat=${format}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: queries,
  });
  const text = await answer.text();
  if (text.startsWith('[')) return { text, bookmark: answer.headers.get('x-cf-d1-session-commit-token') };
  throw new Refusal(400, 7500, errorMessage(text));
}

function errorMessage(text: string): string {
  try {
    return (JSON.parse(text) as { error?: string }).error ?? text;
  } catch {
    return text;
  }
}

/** The table that an INSERT writes, for the API server's own account of what was written. */
function insertTarget(sql: string): string | undefined {
  const match = /^\s*(?:INSERT(?:\s+OR\s+\w+)?|REPLACE)\s+INTO\s+(?:"((?:[^"]|"")+)"|([\w$]+))/i.exec(sql);
  return match?.[1]?.replaceAll('""', '"') ?? match?.[2];
}

function changesByTable(tables: (string | undefined)[], results: string): Record<string, number> {
  const changes: Record<string, number> = {};
  (JSON.parse(results) as StatementResult[]).forEach(({ meta }, index) => {
    const table = tables[index];
    if (table !== undefined) changes[table] = (changes[table] ?? 0) + meta.changes;
  });
  return changes;
}

function json(text: string, status = 200): Response {
  return new Response(text, { status, headers: { 'content-type': 'application/json' } });
}
