import { MigratorError } from '../errors.ts';
import type { TableRequest } from './describe.ts';

/** The chosen columns as pairs of names; undefined: all. */
export function choiceOf(
  columns: readonly string[] | Readonly<Record<string, string | true | undefined>> | undefined,
): TableRequest['columns'] {
  const isList = (given: object): given is readonly string[] => Array.isArray(given);
  if (columns === undefined) return undefined;
  const pairs = isList(columns)
    ? columns.map((name) => [name, name] as const)
    : Object.entries(columns).flatMap(([source, name]) =>
        name === undefined ? [] : [[source, name === true ? source : name] as const],
      );
  if (pairs.length > 0 && pairs.every(([, name]) => typeof name === 'string' && name !== '')) return pairs;
  throw new MigratorError('INVALID_OPTION', '`columns` chooses no column, or gives one no name.', {
    help: "Pass names, or an object with a new name (or true) for each: { id: true, name: 'full_name' }. Leave it out for all columns.",
  });
}
