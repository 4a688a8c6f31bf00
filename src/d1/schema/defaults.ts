import type { SchemaExpression } from '../../contract/index.ts';
import { constantOf, refuseUnknown, type StoredColumn } from './translate.ts';

/** What stands behind DEFAULT, and whether it is less precise than the source's clock. Null: no default is needed. */
export interface TranslatedDefault {
  readonly sql: string;
  readonly rounded: boolean;
}

/** D1's clock in the canonical text of a `timestamptz`: no zeros at the end of its fraction. */
const nowText = `(rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f', 'now'), '0'), '.') || 'Z')`;

/**
 * A default of the source in the form in which its column stores values.
 *
 * @throws NotTranslated where it has none.
 */
export function defaultOf({ meaning }: SchemaExpression, column: StoredColumn): TranslatedDefault | null {
  if (meaning?.kind === 'literal') {
    if (meaning.value === null) return null;
    const sql = constantOf(meaning.value, column);
    return sql === 'null' ? null : { sql, rounded: false };
  }
  if (meaning?.kind !== 'call' || meaning.function !== 'now' || column.type !== 'timestamptz')
    refuseUnknown('it');
  return { sql: clock(column), rounded: true };
}

/** D1's clock counts milliseconds. */
function clock({ stored }: StoredColumn): string {
  const unit = typeof stored === 'object' && 'epoch' in stored ? `epoch-${stored.epoch}` : stored;
  const milliseconds = `CAST(round(unixepoch('subsec') * 1000) AS INTEGER)`;
  switch (unit) {
    case 'epoch-s':
      return `(unixepoch())`;
    case 'epoch-ms':
      return `(${milliseconds})`;
    case 'epoch-us':
      return `(${milliseconds} * 1000)`;
    default:
      return nowText;
  }
}
