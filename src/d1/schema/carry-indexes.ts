import type { Finding, IndexSchema, TableSchema } from '../../contract/index.ts';
import { notCarried, notTranslated, reasonOf } from './carry-findings.ts';
import type { CarryingParts } from './carry-options.ts';
import { isReserved } from './names.ts';
import { conditionOf, keepsEquality, quoteName, refuse, refuseUnknown, valueOf } from './translate.ts';

/** The statements that make the indexes that are wanted, and what the plan says of the others. */
export function carryIndexes(
  parts: CarryingParts,
  { indexes }: TableSchema,
): {
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly findings: readonly Finding[];
} {
  const statements = { before: [] as string[], after: [] as string[] };
  const findings: Finding[] = [];
  const used = new Set<string>();
  for (const [unique, what, option] of [
    [true, 'unique index', 'uniques'],
    [false, 'index', 'indexes'],
  ] as const) {
    const when = parts.wanted[option];
    const all = indexes.filter((index) => index.unique === unique);
    if (when === undefined) {
      const names = all.map(({ name }) => name);
      if (parts.isNew)
        findings.push(...notCarried(what, names, `Ask for them with \`carryOver: { ${option}: 'after' }\`.`));
      continue;
    }
    for (const index of all) {
      try {
        const name = nameOf(index, parts, used);
        const rest = `${quoteName(name)} ON ${quoteName(parts.table)} ${bodyOf(index, parts)}`;
        const present = parts.taken.get(name.toLowerCase())?.sql;
        const create = unique ? 'CREATE UNIQUE INDEX' : 'CREATE INDEX';
        if (present === undefined || present === null)
          statements[when].push(`${create} IF NOT EXISTS ${rest}`);
        else if (present !== `${create} ${rest}`) findings.push(otherIndex(name, index.text));
        if (unique && index.included.length > 0) findings.push(withoutIncluded(index));
      } catch (error) {
        findings.push(notTranslated(`${what} ${index.name}`, index.text, reasonOf(error)));
      }
    }
  }
  return { ...statements, findings };
}

/** Names of indexes belong to the whole database in SQLite, to a schema in PostgreSQL. */
function nameOf({ name }: IndexSchema, { table, taken }: CarryingParts, used: Set<string>): string {
  const free = [name, `${table}_${name}`].find((candidate) => {
    const lower = candidate.toLowerCase();
    const owner = taken.get(lower);
    const isOurs = owner?.table.toLowerCase() === table.toLowerCase() && lower !== table.toLowerCase();
    return !isReserved(candidate) && !used.has(lower) && (!owner || isOurs);
  });
  if (free === undefined) refuse('D1 has something else of its name');
  used.add(free.toLowerCase());
  return free;
}

function bodyOf(index: IndexSchema, { columns, shape }: CarryingParts): string {
  const { parts, unique, included, where, nullsDistinct } = index;
  const list = parts.map(({ expression, descending }) => {
    const { meaning } = expression;
    if (!meaning) refuseUnknown('it');
    if (unique && !keepsEquality(meaning, columns))
      refuse('what is equal in the source is not in the form in which D1 stores it');
    const nullable =
      meaning.kind !== 'column' ||
      shape.columns.find(({ name }) => name === meaning.name)?.nullable !== false;
    if (unique && !nullsDistinct && nullable) refuse('SQLite takes two nulls for different');
    return `${valueOf(meaning, columns)}${descending ? ' DESC' : ''}`;
  });
  // A plain index may hold more columns; a unique one would then be unique over them.
  if (!unique) list.push(...included.map(quoteName));
  if (where === null) return `(${list.join(', ')})`;
  if (!where.meaning) refuseUnknown('its condition');
  return `(${list.join(', ')}) WHERE ${conditionOf(where.meaning, columns)}`;
}

function otherIndex(name: string, text: string): Finding {
  return {
    code: 'INDEX_EXISTS',
    severity: 'warning',
    column: null,
    message: `D1 has another index ${name} already, and keeps it. The source has: ${text}`,
    help: `Drop it in D1 where the source's should take its place: DROP INDEX ${quoteName(name)}.`,
  };
}

function withoutIncluded({ name, included }: IndexSchema): Finding {
  return {
    code: 'NOT_CARRIED',
    severity: 'info',
    column: null,
    message: `The unique index ${name} holds ${included.join(', ')} beside its key in the source; in D1 it does not.`,
    help: 'What is unique is the same. A query in D1 reads these columns from the row.',
  };
}
