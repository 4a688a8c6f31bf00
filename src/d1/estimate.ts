import type { Finding, SinkEstimate, TextRow, Workload } from '../contract/index.ts';
import { isMigratorError } from '../errors.ts';
import { D1Encoder, maxBatchBytes, utf8Bytes } from './rows/encoder.ts';
import type { D1Connection } from './connection.ts';
import type { Ddl } from './schema/ddl.ts';
import { type ColumnForm, isRowId } from './values/types.ts';

/** What decides how much a copy into a D1 table takes. */
export interface EstimateFacts {
  readonly table: string;
  readonly forms: readonly ColumnForm[];
  /** The forms of the key's columns; fewer where not all of them travel. */
  readonly keyForms: readonly ColumnForm[];
  /** What has still to be made. */
  readonly ddl: Pick<Ddl, 'create' | 'indexes' | 'before' | 'after'>;
  /** Indexes of the table that is there. */
  readonly ownIndexes: number;
  /** Over REST every call is a request of the API, which has a quota. */
  readonly connection: Pick<D1Connection, 'overRest'>;
  /** True: rows and checkpoint go in one request. */
  readonly oneRequest: boolean;
}

/** Indexes that get an entry for every row. */
function indexesOf({ ddl, ownIndexes }: EstimateFacts): number {
  return ownIndexes + ddl.indexes + ddl.before.length + ddl.after.length;
}

/** 1,200 requests in five minutes (Cloudflare's documentation, API rate limits). */
const requestMs = 300_000 / 1_200;

/** Rows written: what a month includes, and the price of a million beyond (D1 pricing, in US dollars). */
const includedRows = 50_000_000;
const dollarsPerMillion = 1;

/** 10 GB a database, 500 MB on the free plan (D1 limits). */
const maxStoredBytes = 10_000_000_000;
const freeStoredBytes = 500_000_000;

/**
 * Rows that D1 counts for a checkpoint: when it is planned, its row and an entry in each of two indexes; when it is claimed, its row and
 * one entry; its row for every batch; one entry more when it is completed.
 */
const checkpointRows = { planned: 3, claimed: 2, completed: 1, batch: 1 };

/** Reckons requests, price and room of a copy. Asks nothing. */
export function estimateCopy(facts: EstimateFacts, workload: Workload): SinkEstimate {
  const { rows, checkpoints, newCheckpoints } = workload;
  const row = averageRow(facts, workload);
  const batches = batchesOf(workload, row.sentBytes);
  const requests = fixedRequests(facts, workload) + claimsOf(workload) + batches * (facts.oneRequest ? 1 : 2);
  const rowsWritten =
    rows * (1 + indexesOf(facts)) +
    newCheckpoints * checkpointRows.planned +
    checkpoints * (checkpointRows.claimed + checkpointRows.completed) +
    batches * checkpointRows.batch;
  const price = (millions: number): number => Math.max(0, millions) * dollarsPerMillion;
  const storedBytes = Math.round(rows * row.storedBytes);
  return {
    requests,
    quotaMs: facts.connection.overRest ? requests * requestMs : null,
    rowsWritten,
    price: { least: price((rowsWritten - includedRows) / 1e6), most: price(rowsWritten / 1e6) },
    storedBytes,
    maxStoredBytes,
    findings: roomFindings(facts.table, storedBytes),
  };
}

function roomFindings(table: string, bytes: number): Finding[] {
  const megabytes = Math.round(bytes / 1e6).toLocaleString('en');
  const found = (severity: Finding['severity'], limit: string, help: string): Finding[] => [
    {
      code: 'STORAGE_LIMIT',
      severity,
      column: null,
      message: `${table} will take about ${megabytes} MB; ${limit}.`,
      help,
    },
  ];
  if (bytes > maxStoredBytes * 0.9) {
    return found(
      'warning',
      'a D1 database holds 10,000 MB in all',
      'Leave columns or rows out (`columns`, `where`), or divide the rows over several databases.',
    );
  }
  if (bytes <= freeStoredBytes) return [];
  return found(
    'info',
    'on the free plan a D1 database holds 500 MB in all',
    'On the paid plan there is room.',
  );
}

/** What a run asks besides claims and batches, in the order in which it asks. */
function fixedRequests({ ddl }: EstimateFacts, { checkpoints, newCheckpoints }: Workload): number {
  // What D1 has and can, and the stored plan; the checkpoint table; the table.
  const prepare = 3 + (ddl.create === null ? 0 : 1);
  // The plan, in portions; progress at the end and, of an older plan, at the beginning.
  return prepare + Math.ceil(newCheckpoints / 500) + (newCheckpoints === checkpoints ? 1 : 2);
}

/** One claim brings all that there is room for, then as many bring one, and each of the others about four, or one where one is copied at a time. */
function claimsOf({ checkpoints, concurrency }: Workload): number {
  const rest = Math.max(0, checkpoints - concurrency);
  const each = concurrency > 1 ? 4 : 1;
  return (
    Math.min(1, checkpoints) + Math.min(concurrency, rest) + Math.ceil(Math.max(0, rest - concurrency) / each)
  );
}

/** Batches end with their checkpoint, so the last one of each is not full. */
function batchesOf({ rows, checkpoints, checkpointSize, batchSize }: Workload, rowBytes: number): number {
  if (checkpoints === 0) return 0;
  const perBatch = Math.max(1, Math.min(batchSize ?? Infinity, Math.floor((maxBatchBytes - 2) / rowBytes)));
  const batches = (checkpointRowCount: number): number =>
    Math.max(1, Math.ceil(checkpointRowCount / perBatch));
  const full = Math.floor(rows / checkpointSize);
  if (full < checkpoints - 1) return checkpoints * batches(rows / checkpoints);
  const rest = rows - Math.min(full, checkpoints) * checkpointSize;
  return Math.min(full, checkpoints) * batches(checkpointSize) + (full < checkpoints ? batches(rest) : 0);
}

/** Bytes of an average row on its way, and in the table with its indexes. */
function averageRow(
  facts: EstimateFacts,
  { rows, bytes, sample }: Workload,
): { readonly sentBytes: number; readonly storedBytes: number } {
  const textBytes = rows === 0 ? 0 : bytes / rows;
  const encoder = new D1Encoder(facts.forms);
  let text = 0;
  let sent = 0;
  let stored = 0;
  let count = 0;
  for (const row of sample) {
    try {
      if (!encoder.add(row)) {
        sent += encoder.take().bytes;
        encoder.add(row);
      }
    } catch (error) {
      // One that D1 refuses.
      if (!isMigratorError(error)) throw error;
      continue;
    }
    count += 1;
    text += row.reduce((sum, value) => sum + (value === null ? 0 : utf8Bytes(value)), 0);
    stored += storedRowBytes(facts, row);
  }
  sent += encoder.take().bytes;
  // Without a row to look at: lengths and spaces on the way, a byte a column in the table.
  if (count === 0) {
    const { length } = facts.forms;
    return { sentBytes: textBytes + length * 3 + 2, storedBytes: textBytes + length + 6 };
  }
  // What the form adds to or takes from the text is taken from the sample, the text itself from all rows.
  const beyond = textBytes - text / count;
  return {
    sentBytes: Math.max(2, sent / count + beyond),
    storedBytes: Math.max(2, stored / count + beyond),
  };
}

/** Pages are filled to about this part, by rows that come in the table's own order. */
const fillFactor = 0.97;

/** Pages of an index into whose middle entries are put. */
const indexFillFactor = 0.7;

/** Bytes of a row in SQLite's record format (SQLite documentation, "Database File Format", 2.1), with its index entries. */
function storedRowBytes(facts: EstimateFacts, row: TextRow): number {
  const { forms, keyForms } = facts;
  const indexes = indexesOf(facts);
  const rowId = isRowId(keyForms) ? keyForms[0] : undefined;
  const sizes = forms.map((form, index) => {
    const value = row[index];
    return value === null || value === undefined || form === rowId
      ? { header: 1, body: 0 }
      : valueBytes(form, value);
  });
  const record = recordBytes(sizes);
  // The lengths of the record and the rowid before it, and two bytes that point to it.
  const own = (record + varint(record) + 4 + 2) / fillFactor;
  if (indexes === 0) return own;
  const key = recordBytes([
    ...keyForms.map((form) => sizes[forms.indexOf(form)] ?? { header: 1, body: 8 }),
    { header: 1, body: 3 },
  ]);
  const inOrder = keyForms.every(({ ordered }) => ordered);
  return own + (indexes * (key + varint(key) + 2)) / (inOrder ? fillFactor : indexFillFactor);
}

interface ValueSize {
  readonly header: number;
  readonly body: number;
}

function recordBytes(sizes: readonly ValueSize[]): number {
  const header = sizes.reduce((sum, size) => sum + size.header, 1);
  return header + (header > 127 ? 1 : 0) + sizes.reduce((sum, size) => sum + size.body, 0);
}

function valueBytes(form: ColumnForm, value: string): ValueSize {
  if (form.columnType === 'INTEGER') return { header: 1, body: integerBytes(Number(form.encode(value))) };
  if (form.columnType === 'REAL') {
    const number = Number(value);
    // Whole numbers are kept as integers.
    return {
      header: 1,
      body: Math.abs(number) < 2 ** 47 && Number.isInteger(number) ? integerBytes(number) : 8,
    };
  }
  const bytes = form.columnType === 'TEXT' ? utf8Bytes(value) : value.replaceAll('-', '').length / 2;
  return { header: varint(bytes * 2 + 13), body: bytes };
}

function integerBytes(value: number): number {
  if (value === 0 || value === 1) return 0;
  const bits = [7, 15, 23, 31, 47].findIndex((bit) => value >= -(2 ** bit) && value < 2 ** bit);
  return [1, 2, 3, 4, 6][bits] ?? 8;
}

/** Bytes of a number in SQLite's variable length. */
function varint(value: number): number {
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}
