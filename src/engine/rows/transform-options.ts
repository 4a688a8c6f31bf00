import type { LogicalType, ResultColumn, RowSchema, RowTransform } from '../../contract/index.ts';
import { invalidOption } from '../../errors.ts';

/** What becomes of a row that cannot be copied. */
export type RejectPolicy = 'stop' | 'set-aside';

/** What happens to rows on their way, as the host gives it. Types of rows are the compiler's concern alone. */
export interface RowOptions {
  readonly transform?: RowTransform<object, object, object> | undefined;
  readonly validate?: RowSchema | undefined;
}

/** A column of the result, as a transform declares it. */
export interface DeclaredColumn {
  readonly type: LogicalType;
  readonly nullable: boolean;
}

/** A transform that was checked. */
export interface CheckedTransform {
  readonly version: string;
  /** Columns of the result by name; null: left out. */
  readonly columns: ReadonlyMap<string, DeclaredColumn | null>;
  /** Null: the source's own. */
  readonly key: readonly string[] | null;
  readonly map: (row: object) => unknown;
}

/** Every {@link LogicalType}; a test compares them with those that values are encoded for. */
export const logicalTypes: readonly LogicalType[] = [
  'integer',
  'float',
  'decimal',
  'boolean',
  'bytes',
  'uuid',
  'date',
  'time',
  'timetz',
  'timestamp',
  'timestamptz',
  'interval',
  'json',
  'array',
  'text',
  'other',
];

/** @throws MigratorError `INVALID_OPTION` */
export function checkTransform(transform: RowOptions['transform']): CheckedTransform | null {
  if (transform === undefined) return null;
  const {
    version,
    columns = {},
    key,
    map,
  } = (transform ?? {}) as {
    readonly version: unknown;
    readonly columns?: Readonly<Record<string, LogicalType | ResultColumn | false | undefined>>;
    readonly key?: readonly unknown[];
    readonly map: unknown;
  };
  if (typeof version !== 'string' || version === '') {
    throw invalidOption(
      'transform.version is missing.',
      'It is a text that names what `map` does, for example "1".',
    );
  }
  if (typeof map !== 'function') {
    throw invalidOption(
      'transform.map is no function.',
      'It makes of a row of the source a row, null or several rows.',
    );
  }
  if (key !== undefined && !(Array.isArray(key) && key.every((name) => typeof name === 'string'))) {
    throw invalidOption(
      'transform.key is no list of names.',
      'It names the columns by which a row is found in the sink.',
    );
  }
  const checked = new Map<string, DeclaredColumn | null>();
  for (const [name, choice] of Object.entries(columns)) {
    if (choice === undefined) continue;
    const column = typeof choice === 'string' ? { type: choice } : choice;
    const isKnown = column === false || (typeof column === 'object' && logicalTypes.includes(column?.type));
    if (!isKnown) {
      throw invalidOption(
        `transform.columns gives ${name} no type that there is.`,
        `It is false (left out), or one of ${logicalTypes.join(', ')}, or { type, nullable }.`,
      );
    }
    checked.set(name, column === false ? null : { type: column.type, nullable: column.nullable === true });
  }
  return {
    version,
    columns: checked,
    key: (key as readonly string[] | undefined) ?? null,
    map: map as CheckedTransform['map'],
  };
}

/** @throws MigratorError `INVALID_OPTION` */
export function checkSchema(validate: RowOptions['validate']): RowSchema | null {
  if (validate === undefined) return null;
  const standard = (validate as Partial<RowSchema> | null)?.['~standard'];
  if (standard?.version === 1 && typeof standard.validate === 'function') return validate;
  throw invalidOption(
    'validate is no schema.',
    'Pass a schema of a library that speaks Standard Schema v1, such as Zod, Valibot or ArkType.',
  );
}

/** @throws MigratorError `INVALID_OPTION` */
export function checkPolicy(onReject: RejectPolicy | undefined, hasRejects: boolean): RejectPolicy {
  if (onReject === undefined || onReject === 'stop') return 'stop';
  if (onReject !== 'set-aside') {
    throw invalidOption(
      `onReject must be "stop" or "set-aside", not "${String(onReject)}".`,
      'The default is "stop".',
    );
  }
  if (hasRejects) return onReject;
  throw invalidOption('The sink has no place for rows that are set aside.', "Leave onReject at 'stop'.");
}
