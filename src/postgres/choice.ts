import { invalidOption, refuseUnknown } from '../errors.ts';
import type { TableRequest } from './describe.ts';

/** What the options choose: any of it may be something else where no compiler has looked. */
interface Choices {
  readonly columns?: readonly string[] | Readonly<Record<string, string | true | undefined>> | undefined;
  readonly key?: readonly string[] | undefined;
  readonly where?: TableRequest['where'];
}

/** The rows and columns that the options choose. Columns as pairs of names; undefined: all. */
export function choiceOf(options: Choices): Pick<TableRequest, 'columns' | 'key' | 'where'> {
  refuseUnknown(
    'The source',
    options,
    'pool connectionString db table schema key columns where maxConnections valuesInErrors',
  );
  const { columns, key, where } = options;
  if (key !== undefined && !Array.isArray(key))
    throw invalidOption('`key` is no list of names.', "Pass the columns to page by: ['id'].");
  if (where !== undefined && !(where as Partial<typeof where> | null)?.compile)
    throw invalidOption(
      "`where` is no condition of Kysely's `sql`.",
      'Pass sql`id > 5`, with `sql` imported from kysely.',
    );
  return { columns: columns === undefined ? columns : pairsOf(columns), key, where };
}

function pairsOf(columns: NonNullable<Choices['columns']>): TableRequest['columns'] {
  const isList = (given: object): given is readonly string[] => Array.isArray(given);
  const named = Object(columns) === columns ? columns : {};
  const pairs = isList(named)
    ? named.map((name) => [name, name] as const)
    : Object.entries(named).flatMap(([source, name]) =>
        name === undefined ? [] : [[source, name === true ? source : name] as const],
      );
  if (pairs.length > 0 && pairs.every(([, name]) => typeof name === 'string' && name !== '')) return pairs;
  throw invalidOption(
    '`columns` chooses no column, or gives one no name.',
    "Pass names, or an object with a new name (or true) for each: { id: true, name: 'full_name' }. Leave it out for all columns.",
  );
}
