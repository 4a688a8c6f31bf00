import { JsonText } from '../json-text.ts';

const encoder = new TextEncoder();

/** A statement and its parameters, as the API takes them. */
interface SentQuery {
  readonly sql: string;
  readonly params: readonly (string | JsonText)[];
}

/** The body of a request: `{sql, params}`, or `{batch: [{sql, params}]}`. A large JSON text is escaped straight into it. */
export function requestBody(
  queries: readonly SentQuery[],
  batch: boolean,
): string | Uint8Array<ArrayBuffer> {
  const parts: (string | JsonText)[] = [batch ? '{"batch":[' : ''];
  for (const [index, { sql, params }] of queries.entries()) {
    parts.push(`${index === 0 ? '' : ','}{"sql":${JSON.stringify(sql)},"params":[`);
    for (const [place, param] of params.entries()) {
      const comma = place === 0 ? '' : ',';
      if (param instanceof JsonText) parts.push(`${comma}"`, param, '"');
      else parts.push(comma, JSON.stringify(param));
    }
    parts.push(']}');
  }
  if (batch) parts.push(']}');
  return parts.some((part) => part instanceof JsonText) ? written(parts) : parts.join('');
}

function written(parts: readonly (string | JsonText)[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part));
  // Room for an escape before every byte: what stays unused is never touched, and takes no memory.
  const room = pieces.reduce(
    (sum, piece) => sum + (piece instanceof JsonText ? piece.bytes.length * 2 : piece.length),
    0,
  );
  const body = new Uint8Array(room);
  let at = 0;
  for (const piece of pieces) {
    if (piece instanceof JsonText) {
      at = piece.writeEscaped(body, at);
    } else {
      body.set(piece, at);
      at += piece.length;
    }
  }
  return body.subarray(0, at);
}
