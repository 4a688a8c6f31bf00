import type { CheckSchema, Finding, ForeignKeySchema, TableSchema } from '../../contract/index.ts';
import { affinityOf } from '../values/affinity.ts';
import { notCarried, notTranslated, reasonOf } from './carry-findings.ts';
import { carryIndexes } from './carry-indexes.ts';
import { type CarryingParts, referredTable } from './carry-options.ts';
import { defaultOf } from './defaults.ts';
import { isUnique } from './table.ts';
import { conditionOf, quoteName, refuse, refuseUnknown } from './translate.ts';

/** What is carried over, as SQL, and what the plan says of the rest. */
export interface Carried {
  /** What stands behind DEFAULT, by column. */
  readonly defaults: ReadonlyMap<string, string>;
  /** Constraints of the table. */
  readonly constraints: readonly string[];
  /** Statements that make indexes. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly findings: readonly Finding[];
}

/** Decides what of the source's schema the D1 table gets. */
export function carryOver(parts: CarryingParts): Carried {
  const { schema } = parts.shape;
  if (!schema) return { defaults: new Map(), constraints: [], before: [], after: [], findings: [] };
  const indexes = carryIndexes(parts, schema);
  if (!parts.isNew) return { defaults: new Map(), constraints: [], ...indexes };
  const defaults = carryDefaults(parts, schema);
  const checks = carryEach(parts, 'check', schema.checks, parts.wanted.checks === true, checkOf);
  const foreignKeys = carryEach(
    parts,
    'foreign key',
    schema.foreignKeys,
    Boolean(parts.wanted.foreignKeys),
    foreignKeyOf,
  );
  return {
    defaults: defaults.defaults,
    constraints: [...checks.constraints, ...foreignKeys.constraints],
    before: indexes.before,
    after: indexes.after,
    findings: [
      ...defaults.findings,
      ...checks.findings,
      ...indexes.findings,
      ...foreignKeys.findings,
      ...unasked(schema),
    ],
  };
}

function carryDefaults(
  parts: CarryingParts,
  schema: TableSchema,
): { readonly defaults: ReadonlyMap<string, string>; readonly findings: readonly Finding[] } {
  const { columns, wanted } = parts;
  const counted = schema.columns.filter((column) => column.counted && !isCounted(column.name, parts));
  const having = schema.columns.filter(
    (column) => column.default !== null && !isNullDefault(column.default.meaning),
  );
  if (wanted.defaults !== true) {
    const names = namesOf(having);
    return {
      defaults: new Map(),
      findings: [
        ...notCarried('default', names, 'Ask for them with `carryOver: { defaults: true }`.'),
        ...notCarried('counter', namesOf(counted), uncounted),
      ],
    };
  }
  const defaults = new Map<string, string>();
  const findings = counted.map(({ name }) =>
    notTranslated(
      `counter of ${name}`,
      'a sequence or an identity column',
      'SQLite counts a single INTEGER primary key alone',
      name,
    ),
  );
  for (const { name, default: value } of having) {
    const column = columns.get(name);
    if (!value || !column) continue;
    try {
      const translated = defaultOf(value, column);
      if (translated) defaults.set(name, translated.sql);
      if (translated?.rounded) findings.push(coarseClock(name));
    } catch (error) {
      findings.push(notTranslated(`default of ${name}`, value.text, reasonOf(error), name));
    }
  }
  return { defaults, findings };
}

const uncounted =
  'D1 counts a single INTEGER primary key by itself; elsewhere new rows must bring the value.';

/** SQLite counts a single integer key up by itself. */
function isCounted(name: string, { shape, columns, withoutRowid }: CarryingParts): boolean {
  const isKey = shape.key.length === 1 && shape.key[0]?.name === name;
  return isKey && !withoutRowid && columns.get(name)?.form.columnType === 'INTEGER';
}

function namesOf(all: readonly { readonly name: string }[]): string[] {
  return all.map(({ name }) => name);
}

function isNullDefault(meaning: { readonly kind: string; readonly value?: string | null } | null): boolean {
  return meaning?.kind === 'literal' && meaning.value === null;
}

function coarseClock(column: string): Finding {
  return {
    code: 'DEFAULT_PRECISION',
    severity: 'info',
    column,
    message: `D1's clock counts milliseconds at the most: the default of ${column} is less precise than the source's.`,
    help: 'Copied values keep all their digits; only rows that are written in D1 later are meant.',
  };
}

/** Constraints of one kind: translated where they are wanted, and else told of. */
function carryEach<One extends CheckSchema | ForeignKeySchema>(
  parts: CarryingParts,
  what: 'check' | 'foreign key',
  all: readonly One[],
  isWanted: boolean,
  translate: (one: One, parts: CarryingParts) => string,
): { readonly constraints: readonly string[]; readonly findings: readonly Finding[] } {
  if (!isWanted) {
    const option = what === 'check' ? 'checks' : 'foreignKeys';
    const names = namesOf(all);
    return {
      constraints: [],
      findings: notCarried(what, names, `Ask for them with \`carryOver: { ${option}: true }\`.`),
    };
  }
  const constraints: string[] = [];
  const findings: Finding[] = [];
  for (const one of all) {
    try {
      constraints.push(`CONSTRAINT ${quoteName(one.name)} ${translate(one, parts)}`);
    } catch (error) {
      const text = 'text' in one ? one.text : one.expression.text;
      findings.push(notTranslated(`${what} ${one.name}`, text, reasonOf(error)));
    }
  }
  return { constraints, findings };
}

function checkOf({ expression }: CheckSchema, { columns }: CarryingParts): string {
  if (!expression.meaning) refuseUnknown('it');
  return `CHECK (${conditionOf(expression.meaning, columns)})`;
}

function foreignKeyOf(foreignKey: ForeignKeySchema, { columns, wanted, parents }: CarryingParts): string {
  const { columns: own, references, toItself, onDelete, onUpdate, deferred } = foreignKey;
  if (toItself) refuse('D1 checks it at every batch, and a row may refer to one that comes in a later batch');
  const table = referredTable(foreignKey, wanted);
  const parent = parents.get(table);
  if (!parent)
    refuse(`D1 has no table ${table} now. It is carried over where D1 has it when the copy begins`);
  const types = references.columns.map(
    (name) => parent.columns.find((column) => column.name.toLowerCase() === name.toLowerCase())?.type,
  );
  if (
    types.includes(undefined) ||
    !isUnique(
      parent,
      references.columns.map((name) => ({ name })),
    )
  )
    refuse(`the table ${table} of D1 has no unique key of the columns ${references.columns.join(', ')}`);
  const alike = types.every(
    (type, index) => affinityOf(type ?? '') === columns.get(own[index] ?? '')?.form.columnType,
  );
  if (!alike) refuse(`the table ${table} of D1 stores the columns in another type`);
  const list = (names: readonly string[]): string => names.map(quoteName).join(', ');
  return [
    `FOREIGN KEY (${list(own)}) REFERENCES ${quoteName(table)} (${list(references.columns)})`,
    ...(onDelete === 'no action' ? [] : [`ON DELETE ${onDelete.toUpperCase()}`]),
    ...(onUpdate === 'no action' ? [] : [`ON UPDATE ${onUpdate.toUpperCase()}`]),
    ...(deferred ? ['DEFERRABLE INITIALLY DEFERRED'] : []),
  ].join(' ');
}

/** What nobody can ask for. */
function unasked({ columns, others }: TableSchema): Finding[] {
  const generated = columns.filter((column) => column.generated).map(({ name }) => name);
  return [
    ...notCarried('generated column', generated, 'D1 gets their values, and does not compute them.').map(
      (finding) => ({
        ...finding,
        message: finding.message.replace('that D1 does not get', 'that D1 does not compute'),
      }),
    ),
    ...[...Map.groupBy(others, ({ kind }) => kind)].flatMap(([kind, all]) =>
      notCarried(kind, namesOf(all), 'Write in D1 by hand what is needed of it.'),
    ),
  ];
}
