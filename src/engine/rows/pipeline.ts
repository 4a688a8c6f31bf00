import type { RowSchema, RowSchemaIssue, RowSchemaResult, TextRow } from '../../contract/index.ts';
import { invalidOption, MigratorError } from '../../errors.ts';
import type { CopyJob } from '../copying/job.ts';
import { PipelineBatches } from '../copying/pipeline-batches.ts';
import { decoderOf, type ValueDecoder } from './decode-values.ts';
import { type RowOutcome, RowRefusal } from './refusal.ts';
import { ResultEncoder, type ResultParts } from './result-encoder.ts';
import type { CheckedTransform } from './transform-options.ts';

// One module on demand has all that a transform needs.
export { resultShape } from './result-shape.ts';

/** What a pipeline is made of. */
export interface PipelineParts extends ResultParts {
  readonly validate: RowSchema | null;
}

/** What the rows of a migration go through between source and sink: decoded, mapped, validated, encoded again. */
export class RowPipeline {
  /** True: a result has its source row's key, so ranges of keys mean the same on both sides. */
  readonly keepsKey: boolean;
  readonly #parts: PipelineParts;
  readonly #names: readonly string[];
  readonly #decoders: readonly (ValueDecoder | null)[];
  readonly #encoder: ResultEncoder;

  constructor(parts: PipelineParts) {
    const { description, transform } = parts;
    // Assigning to this name would change the object itself.
    if (description.columns.some(({ name }) => name === '__proto__')) {
      throw invalidOption(
        'A column is called __proto__, which no property can be.',
        'Give it another name with the `columns` option of the source.',
      );
    }
    this.#parts = parts;
    this.keepsKey = transform === null || transform.key === null;
    this.#names = description.columns.map(({ name }) => name);
    this.#decoders = description.columns.map(decoderOf);
    this.#encoder = new ResultEncoder(parts, this.keepsKey);
  }

  /** What puts into batches what becomes of the rows of a checkpoint: a copy without a pipeline needs none of it. */
  batches(job: CopyJob, seq: number): PipelineBatches {
    return new PipelineBatches(job, this, seq);
  }

  /** Never throws: what host code throws is a refusal. A promise only where the schema gave one. */
  process(row: TextRow): RowOutcome | Promise<RowOutcome> {
    const { transform, validate } = this.#parts;
    if (transform === null && validate === null) return [row];
    const values = this.#decoders.map((decode, index) => {
      const text = row[index] ?? null;
      return text === null || decode === null ? text : decode(text);
    });
    const mapped = this.#map(transform, values);
    if (mapped instanceof RowRefusal) return mapped;
    return validate === null
      ? this.#encode(mapped, values, row)
      : this.#validate(validate, mapped, values, row);
  }

  /** A row of the host may have properties that throw when they are read. */
  #encode(results: readonly object[], values: readonly unknown[], row: TextRow): RowOutcome {
    try {
      return this.#encoder.encode(results, values, row);
    } catch (error) {
      return thrown('TRANSFORM_FAILED', 'A row of the result threw', error);
    }
  }

  #map(transform: CheckedTransform | null, values: readonly unknown[]): readonly object[] | RowRefusal {
    const decoded: Record<string, unknown> = {};
    this.#names.forEach((name, index) => (decoded[name] = values[index]));
    if (transform === null) return [decoded];
    try {
      const result: unknown = transform.map(decoded);
      if (result === null) return [];
      if (isPromise(result)) result.then(undefined, () => undefined); // nobody waits for it
      const results: readonly unknown[] = Array.isArray(result) ? result : [result];
      return results.every(isRow) ? results : new RowRefusal(noRow(results.find((one) => !isRow(one))));
    } catch (error) {
      return thrown('TRANSFORM_FAILED', '`transform.map` threw', error);
    }
  }

  #validate(
    validate: RowSchema,
    mapped: readonly object[],
    values: readonly unknown[],
    row: TextRow,
  ): RowOutcome | Promise<RowOutcome> {
    const finish = (results: readonly RowSchemaResult<unknown>[]): RowOutcome => {
      const outputs: object[] = [];
      for (const result of results) {
        if (result.issues !== undefined) return this.#invalid(result.issues);
        if (!isRow(result.value)) return new RowRefusal(noRow(result.value));
        outputs.push(result.value);
      }
      return this.#encode(outputs, values, row);
    };
    try {
      const results = mapped.map((result) => validate['~standard'].validate(result));
      if (!results.some(isPromise)) return finish(results as RowSchemaResult<unknown>[]);
      return Promise.all(results.map(async (result) => await result))
        .then(finish)
        .catch(schemaThrew);
    } catch (error) {
      return schemaThrew(error);
    }
  }

  /** The error names columns of the row alone: what else an issue says may be a value. */
  #invalid(issues: readonly RowSchemaIssue[]): RowRefusal {
    const paths = issues.map(({ path = [] }) =>
      path.map((part) => String(typeof part === 'object' ? part.key : part)),
    );
    const names = new Set(paths.map(([name = '']) => name).filter((name) => this.#encoder.has(name)));
    const where = names.size === 0 ? '' : `: ${[...names].join(', ')}`;
    const reasons = issues.map(({ message }, index) => {
      const path = paths[index]?.join('.') ?? '';
      return path === '' ? message : `${path}: ${message}`;
    });
    const error = new MigratorError('ROW_INVALID', `The row does not pass \`validate\`${where}.`, {
      help: rowHelp,
      cause: new Error(reasons.join('; ')),
    });
    return new RowRefusal(error, reasons.join('; '));
  }
}

/** What to do about a row that does not pass. */
const rowHelp =
  "Correct the row at the source, let the transform handle it, or set such rows aside: onReject: 'set-aside'.";

function schemaThrew(error: unknown): RowRefusal {
  return thrown('ROW_INVALID', '`validate` threw', error);
}

/** Host code's own error is the cause: its message may hold values, so it is not ours. */
function thrown(code: 'TRANSFORM_FAILED' | 'ROW_INVALID', what: string, error: unknown): RowRefusal {
  let kind: string = typeof error;
  let said = 'something that has no text';
  // What was thrown is the host's as well: neither a text nor a name is certain.
  try {
    if (error instanceof Error) {
      const { name, message }: { readonly name: unknown; readonly message: unknown } = error;
      said = String(message);
      kind = String(name);
    } else said = String(error);
  } catch {}
  const facts = { help: `The cause says why. ${rowHelp}`, cause: error };
  return new RowRefusal(new MigratorError(code, `${what} (${kind}).`, facts), `${what}: ${kind}: ${said}`);
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}

function isRow(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isPromise(value);
}

function noRow(value: unknown): MigratorError {
  const kind = Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value;
  const found = isPromise(value) ? 'a promise' : kind;
  return new MigratorError('TRANSFORM_FAILED', `A result is no row, but ${found}.`, {
    help: 'A row is an object with a property for each column of the result. `map` gives one, several in an array, or null to skip the row, and cannot be async.',
  });
}
