/** How the elements of an array become JSON, and how they become PostgreSQL's text again. */
export interface ElementFormat {
  readonly toJson: (text: string) => string;
  /** Canonical text to PostgreSQL's. */
  readonly toNative: (text: string) => string;
  /** What stands between elements: a comma, but for boxes. */
  readonly delimiter: string;
  /** True where no element is ever quoted and every element's text is its JSON. */
  readonly bare: boolean;
}

/** Turns `{1,NULL}` into `[1,null]`, and `[0:1]={7,8}` into `{"lower":[0],"values":[7,8]}`. */
export function arrayToJson(format: ElementFormat): (text: string) => string {
  const values = format.bare ? bareValues : (text: string): string => quotedValues(text, format);
  return (text) => {
    if (text.charCodeAt(0) === 0x7b) return values(text);
    const end = text.indexOf('=');
    const lower = text
      .slice(1, end - 1)
      .split('][')
      .map((bounds) => bounds.slice(0, bounds.indexOf(':')));
    return `{"lower":[${lower.join(',')}],"values":${values(text.slice(end + 1))}}`;
  };
}

/** Numbers and NULLs alone: braces become brackets. */
function bareValues(text: string): string {
  return text.replaceAll('{', '[').replaceAll('}', ']').replaceAll('NULL', 'null');
}

function quotedValues(text: string, { toJson, delimiter }: ElementFormat): string {
  let json = '';
  let index = 0;
  while (index < text.length) {
    const character = text[index];
    if (character === '{' || character === '}' || character === delimiter) {
      json += character === '{' ? '[' : character === '}' ? ']' : ',';
      index += 1;
    } else if (character === '"') {
      const end = closingQuote(text, index + 1);
      const inner = text.slice(index + 1, end);
      json += toJson(inner.includes('\\') ? inner.replaceAll(/\\([^])/g, '$1') : inner);
      index = end + 1;
    } else {
      let end = index + 1;
      while (end < text.length && text[end] !== delimiter && text[end] !== '}') end += 1;
      const element = text.slice(index, end);
      json += element === 'NULL' ? 'null' : toJson(element);
      index = end;
    }
  }
  return json;
}

function closingQuote(text: string, from: number): number {
  let index = from;
  while (text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
  return index;
}

/** A JSON value whose numbers are kept as the digits they were written in. */
type Parsed = null | string | readonly Parsed[];

/** The way back, for keys. */
export function jsonToArray({ toNative, delimiter }: ElementFormat): (json: string) => string {
  const write = (value: Parsed): string => {
    if (value === null) return 'NULL';
    if (typeof value === 'string') return `"${toNative(value).replaceAll(/["\\]/g, '\\$&')}"`;
    return `{${value.map(write).join(delimiter)}}`;
  };
  return (json) => {
    const parsed = JSON.parse(json, keepDigits) as
      Parsed | { readonly lower: readonly string[]; readonly values: Parsed };
    if (parsed === null || typeof parsed === 'string' || !('lower' in parsed)) return write(parsed);
    let level: Parsed = parsed.values;
    const bounds = parsed.lower.map((lower) => {
      const { length } = level as readonly Parsed[];
      level = (level as readonly Parsed[])[0] ?? null;
      return `[${lower}:${BigInt(lower) + BigInt(length) - 1n}]`;
    });
    return `${bounds.join('')}=${write(parsed.values)}`;
  };
}

/** `JSON.parse` would round large integers; engines hand over the source of a number since 2023. */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? (context?.source ?? String(value)) : value;
}
