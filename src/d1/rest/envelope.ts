import type { D1ResultLike } from '../database.ts';

/** What the API says, once its form is known to be the API's. */
export interface Envelope {
  readonly success: boolean;
  /** The first of its errors. */
  readonly error: { readonly code: number; readonly message: string } | null;
  /** The results of the statements in their order; null where there are none, or one of them is of another form. */
  readonly results: readonly D1ResultLike[] | null;
}

/** Reads an answer of `/raw`. Null: it is not JSON, or not the API's. */
export function parseEnvelope(text: string): Envelope | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(parsed) || typeof parsed['success'] !== 'boolean') return null;
  const { errors, result } = parsed;
  const listed: readonly unknown[] = Array.isArray(result) ? result : [];
  const failed = listed.some((one) => isObject(one) && one['success'] === false);
  const results = Array.isArray(result) ? listed.map(resultOf) : [null];
  return {
    success: parsed['success'] && !failed,
    error: errorOf(errors),
    results: results.every((one) => one !== null) ? results : null,
  };
}

function errorOf(errors: unknown): Envelope['error'] {
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  if (!isObject(first)) return null;
  const { code, message } = first;
  return {
    code: typeof code === 'number' ? code : 0,
    message: typeof message === 'string' ? message : 'the API reports a failure without a message',
  };
}

/**
 * A result whose every part is there: a row that is cut, or a count that is missing, would be taken for a value of the
 * database.
 */
function resultOf(result: unknown): D1ResultLike | null {
  if (!isObject(result) || !isObject(result['results']) || !isObject(result['meta'])) return null;
  const { columns, rows } = result['results'];
  const { changes } = result['meta'];
  if (!isTexts(columns) || !Array.isArray(rows)) return null;
  if (typeof changes !== 'number' || !Number.isSafeInteger(changes) || changes < 0) return null;
  const records: Record<string, unknown>[] = [];
  for (const row of rows as readonly unknown[]) {
    if (!Array.isArray(row) || row.length !== columns.length) return null;
    records.push(Object.fromEntries(columns.map((column, index) => [column, row[index] as unknown])));
  }
  return { results: records, meta: { ...result['meta'], changes } };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
