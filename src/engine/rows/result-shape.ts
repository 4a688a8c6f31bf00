import type { ColumnDescriptor, RowShape, SourceDescription } from '../../contract/index.ts';
import { MigratorError } from '../../errors.ts';
import type { CheckedTransform } from './transform-options.ts';

/** What the types that a transform declares are called, where the name says more than the logical type. */
const nativeNames: Readonly<Partial<Record<string, string>>> = {
  integer: 'bigint',
  float: 'double precision',
};

/**
 * The rows that a transform makes of the source's.
 *
 * @throws MigratorError `INVALID_OPTION` where the transform's columns or key cannot be.
 */
export function resultShape(
  migration: string,
  { columns: sourceColumns, key: sourceKey }: SourceDescription,
  transform: CheckedTransform,
): RowShape {
  const columns = resultColumns(sourceColumns, transform);
  const refuse = (message: string, help: string): never => {
    throw new MigratorError('INVALID_OPTION', message, { migration, help });
  };
  const names = columns.map(({ name }) => name).join(', ');
  if (columns.length === 0) refuse('transform.columns leaves no column.', 'Leave at least one of them in.');
  const unknown = [...transform.columns].filter(
    ([name, choice]) => choice === null && !sourceColumns.some((column) => column.name === name),
  );
  if (unknown.length > 0) {
    refuse(
      `transform.columns leaves out ${unknown.map(([name]) => name).join(', ')}, which the source does not have.`,
      `The columns of the source: ${sourceColumns.map(({ name }) => name).join(', ')}.`,
    );
  }
  if (transform.key === null) {
    const changed = sourceKey.filter(({ name }) => transform.columns.has(name));
    if (changed.length > 0) {
      refuse(
        `transform.columns changes the key column ${changed.map(({ name }) => name).join(', ')}.`,
        'Declare with transform.key by which columns a row is found in the sink, or none: [].',
      );
    }
    return { migration, columns, key: sourceKey };
  }
  const key = transform.key.map(
    (name) =>
      columns.find((column) => column.name === name) ??
      refuse(`transform.key names ${name}, which is no column of the result.`, `The columns: ${names}.`),
  );
  return { migration, columns, key };
}

function resultColumns(
  sourceColumns: readonly ColumnDescriptor[],
  { columns }: CheckedTransform,
): ColumnDescriptor[] {
  const declared = [...columns].flatMap(([name, choice]) =>
    choice === null ? [] : [{ name, nativeType: nativeNames[choice.type] ?? choice.type, ...choice }],
  );
  const kept = sourceColumns.flatMap((column) =>
    columns.has(column.name) ? declared.filter(({ name }) => name === column.name) : [column],
  );
  return [...kept, ...declared.filter(({ name }) => !kept.some((column) => column.name === name))];
}
