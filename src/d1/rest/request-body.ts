import { JsonText } from '../json-text.ts';

const encoder = new TextEncoder();

/** A statement and its parameters, as the API takes them. */
export interface SentQuery {
  readonly sql: string;
  readonly params: readonly (string | JsonText)[];
}

/** The body of a request: `{sql, params}`, or `{batch: [{sql, params}]}`. A JSON text that is escaped already goes in as it is. */
export function requestBody(queries: readonly SentQuery[], batch: boolean): string | Uint8Array<ArrayBuffer> {
  const parts: (string | JsonText)[] = [batch ? '{"batch":[' : ''];
  for (const [index, { sql, params }] of queries.entries()) {
    parts.push(`${index === 0 ? '' : ','}{"sql":${JSON.stringify(sql)},"params":[`);
    for (const [place, param] of params.entries()) {
      const comma = place === 0 ? '' : ',';
      if (param instanceof JsonText && param.isEscaped) parts.push(`${comma}"`, param, '"');
      else parts.push(comma, JSON.stringify(String(param)));
    }
    parts.push(']}');
  }
  if (batch) parts.push(']}');
  return parts.some((part) => part instanceof JsonText) ? written(parts) : parts.join('');
}

function written(parts: readonly (string | JsonText)[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part.bytes));
  const body = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}
