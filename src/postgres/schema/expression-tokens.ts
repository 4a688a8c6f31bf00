/** A piece of an expression's text. */
export interface Token {
  /** `quoted`: a name in quotes; `string`: a literal. */
  readonly kind: 'word' | 'quoted' | 'string' | 'number' | 'symbol';
  /** Without its quotes. */
  readonly text: string;
  readonly raw: string;
}

const pattern =
  /\s*(?:(?<quoted>"(?:[^"]|"")+")|(?<string>'(?:[^']|'')*')|(?<number>\d+(?:\.\d+)?(?![\w.]))|(?<word>[\p{L}_][\p{L}\p{N}_$]*)|(?<symbol>::|[-+*/<>=~!@#%^&|`?]+|[()[\],.]))/uy;

/** The pieces of a text of `pg_get_expr`; null where one of them is of no known kind. */
export function tokensOf(text: string): readonly Token[] | null {
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const { groups } = pattern.exec(text) ?? {};
    const [kind, raw] = Object.entries(groups ?? {}).find(([, value]) => value !== undefined) ?? [];
    if (kind === undefined || raw === undefined) return null;
    tokens.push({ kind: kind as Token['kind'], text: unquoted(kind, raw), raw });
  }
  return tokens;
}

function unquoted(kind: string, raw: string): string {
  if (kind === 'string') return raw.slice(1, -1).replaceAll("''", "'");
  return kind === 'quoted' ? raw.slice(1, -1).replaceAll('""', '"') : raw;
}
