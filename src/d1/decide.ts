import type { CallContext, RowShape } from '../contract/index.ts';
import { invalidOption, MigratorError } from '../errors.ts';
import { type Answers, askDatabase } from './ask.ts';
import type { D1Connection } from './connection.ts';
import { partsOf } from './schema/carry-options.ts';
import type { Ddl, DdlParts } from './schema/ddl.ts';
import { isUnique, primaryKeyOf } from './schema/table.ts';
import { tableFindings } from './schema/table-findings.ts';
import type { D1SinkOptions } from './sink.ts';
import type { D1TargetParts } from './target.ts';
import { fitToTable, formsIn } from './values/affinity.ts';
import { formsOf, keysAreKnown, storeSettings } from './values/choose-forms.ts';
import { keyFormsOf } from './values/types.ts';

export { askDatabase };

/**
 * Decides how rows are stored and what has to be made for them, by what D1 answers. Writes nothing.
 *
 * @param asked - the answers, where D1 was asked before.
 * @throws MigratorError `INVALID_OPTION`, or `SINK_TABLE_NOT_FOUND` where the table may not be made.
 */
export async function decideTarget(
  connection: D1Connection,
  options: D1SinkOptions<string>,
  shape: RowShape,
  context: CallContext | undefined,
  asked: Promise<Answers> | undefined,
): Promise<Omit<D1TargetParts, 'again' | 'rejects'>> {
  const { table, createTable = 'if-missing', store = {}, tableOptions = {} } = options;
  const wanted = partsOf(options.carryOver);
  if (!['if-missing', 'never', 'replace'].includes(createTable))
    throw invalidOption(
      `\`createTable\` cannot be ${createTable}.`,
      "It is 'if-missing', 'never' or 'replace'.",
    );
  // Once before any answer: an option that cannot work needs no endpoint to be refused.
  await formsOf(shape, store, 'all');
  if (tableOptions.strict || tableOptions.withoutRowid)
    (await import('./schema/ddl.ts')).checkTableOptions(tableOptions, shape, store);
  const { present, atomic, reading } = await (asked ?? askDatabase(connection, table, context));
  if (!present && createTable === 'never') {
    throw new MigratorError('SINK_TABLE_NOT_FOUND', `D1 has no table ${table}.`, {
      migration: shape.migration,
      help: "Create it, or let the sink make it: createTable: 'if-missing'.",
    });
  }
  const replaces = present !== null && createTable === 'replace' && shape.planned !== true;
  const description = replaces ? null : present;
  const isNew = description === null;
  const stored = await formsOf(shape, fitToTable(shape, description, store), reading);
  const forms = formsIn(description, stored);
  const parts = { connection, table, shape, forms, wanted, options: tableOptions, isNew, replaces };
  return {
    connection,
    table,
    shape,
    forms,
    findings: tableFindings(table, shape, description, forms),
    settings: await storeSettings(store, shape),
    ddl: await statementsFor(parts, context),
    ownIndexes: description?.indexes ?? 0,
    settlesConflicts: description?.settlesConflicts ?? false,
    upsert: primaryKeyOf(shape).length > 0 && (isNew || isUnique(description, shape.key)),
    keysAreKnown: keysAreKnown(keyFormsOf(shape, forms)),
    atomic,
  };
}

/** A table that is there, and gets nothing of the source's schema, needs no statements. */
async function statementsFor(parts: DdlParts, context?: CallContext): Promise<Ddl> {
  if (parts.isNew || Object.values(parts.wanted).some(Boolean))
    return await (await import('./schema/ddl.ts')).ddlOf(parts, context);
  return { drop: null, create: null, indexes: 0, before: [], after: [], findings: [] };
}
