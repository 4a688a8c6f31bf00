import { RowsText } from '../rows/rows-text.ts';

/** A statement and its parameters, as the API takes them. */
export interface SentQuery {
  readonly sql: string;
  readonly params: readonly (string | RowsText)[];
}

/**
 * The body of a request: `{sql, params}`, or `{batch: [{sql, params}]}`. Parameters stand first: a text that is escaped already has but a
 * few bytes before it.
 */
export function requestBody(queries: readonly SentQuery[], batch: boolean): string | Uint8Array<ArrayBuffer> {
  const large = queries.flatMap(({ params }) => params).find(isEscapedText);
  // One text goes in as it is; what else there is is written around it.
  const parts = ['', ''];
  let part = 0;
  const write = (text: string): void => {
    parts[part] += text;
  };
  write(batch ? '{"batch":[' : '');
  for (const [index, { sql, params }] of queries.entries()) {
    write(`${index === 0 ? '' : ','}{"params":[`);
    for (const [place, param] of params.entries()) {
      write(place === 0 ? '' : ',');
      if (param === large && part === 0) {
        write('"');
        part = 1;
        write('"');
      } else {
        write(JSON.stringify(String(param)));
      }
    }
    write(`],"sql":${JSON.stringify(sql)}}`);
  }
  write(batch ? ']}' : '');
  const [before = '', behind = ''] = parts;
  return large ? large.between(before, behind) : before;
}

function isEscapedText(param: string | RowsText): param is RowsText {
  return param instanceof RowsText && param.isEscaped;
}
