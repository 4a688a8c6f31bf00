import type {
  CheckpointEvent,
  Key,
  KeyRange,
  PlanPreview,
  Progress,
  ProgressEvent,
  ResumableMigrator,
  RunResult,
} from 'resumable-migrator';
import type { Configuration } from './configuration.ts';
import type { LiveView } from './live-view.ts';
import { type Lines, oneLine, type Output } from './output.ts';
import { duration } from './progress-bar.ts';

/** Between two lines that say how far a run is, where there is no bar. */
const plainProgressMs = 10_000;

/** What is going to happen, and with which settings. */
export function reportConfiguration(output: Output, configuration: Configuration): void {
  const {
    tables,
    checkpointSize,
    batchSize,
    batchDelayMs,
    concurrency,
    tableConcurrency,
    budgetMinutes,
    resume,
    apiBaseUrl,
  } = configuration;
  output.line('🚀 Starting resumable migration from PostgreSQL to Cloudflare D1');
  output.line();
  output.line('Configuration:');
  output.line(`  ${tables.length === 1 ? 'Table' : 'Tables'}: ${tables.join(', ')}`);
  output.line(`  Checkpoint Size: ${showSize(checkpointSize)}`);
  output.line(
    `  D1 Batch Size: ${batchSize === undefined ? 'as many rows as fit in a request' : `${batchSize} rows`}`,
  );
  if (batchDelayMs > 0) output.line(`  Batch Delay: ${batchDelayMs} ms`);
  output.line(`  Concurrency: ${concurrency} ${concurrency === 1 ? 'checkpoint' : 'checkpoints'} at a time`);
  if (tableConcurrency > 1) output.line(`  Table Concurrency: ${tableConcurrency} tables at a time`);
  if (budgetMinutes !== undefined) output.line(`  Budget: ${budgetMinutes} min, then the run pauses`);
  output.line(`  Resume Mode: ${resume ? 'Enabled' : 'Disabled (starts anew)'}`);
  if (apiBaseUrl !== undefined) output.line(`  API: ${new URL(apiBaseUrl).host}`);
  output.line();
}

function showSize(size: Configuration['checkpointSize']): string {
  if (size === undefined) return '50000 records, or what the stored plan has';
  return size === 'auto' ? size : `${size} records`;
}

/** How much there is, and what the run will plan. */
export function reportPlan(output: Lines, table: string, plan: PlanPreview, ids: KeyRange | null): void {
  output.line(`   Total records: ${plan.totalRows}`);
  output.line(`   ${keyWord(plan.key)} range: ${ids ? showEnds(ids) : 'none'}`);
  // Errors are told of by the run, which refuses them, and then plans nothing.
  for (const { severity, column, message, help } of plan.findings.filter((one) => one.severity !== 'error')) {
    const mark = severity === 'warning' ? '⚠️ ' : 'ℹ️ ';
    output.line(oneLine(`   ${mark} ${column === null ? '' : `${column}: `}${message} ${help}`));
  }
  output.line();
  output.line(`📋 Initializing checkpoints for ${table}...`);
  const { total } = plan.progress.checkpoints;
  if (total > 0) output.line(`   Found ${checkpoints(total)} of earlier runs`);
  if (plan.findings.some(({ severity }) => severity === 'error')) return;
  if (plan.newCheckpoints > 0) {
    output.line(`   Creating ${checkpoints(plan.newCheckpoints)} (${plan.checkpointSize} records each)...`);
  } else if (total === 0) {
    output.line('   No checkpoints are needed: the table is empty');
  }
}

function reportCompletion(output: Lines, { rows, milliseconds, progress }: RunResult): void {
  const seconds = Math.max(milliseconds, 1) / 1000;
  output.line();
  output.line(output.colour('green', `✅ Migration of ${progress.migration} completed`));
  output.line(`   Records copied: ${rows} in this run, ${progress.rows} in all`);
  output.line(`   Checkpoints: ${progress.checkpoints.completed} of ${progress.checkpoints.total} completed`);
  output.line(`   Time: ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} rows/s`);
}

/** How a run is told of. */
interface RunReportOptions extends Pick<Configuration, 'verbose'> {
  readonly view: LiveView;
  /** The name of the table's line in the view. */
  readonly table: string;
}

/** Prints a run's events as they come, and keeps the table's line in the view. */
export class RunReport {
  readonly #output: Lines;
  readonly #view: LiveView;
  readonly #table: string;
  readonly #lines: boolean;
  readonly #batchLines: boolean;
  readonly #batches = new Map<number, number>();
  #toDo = 0;
  #started = 0;
  #checkpointSize = 0;
  #lastProgress = performance.now();
  #waiting = false;

  constructor(output: Lines, { verbose, view, table }: RunReportOptions) {
    this.#output = output;
    this.#view = view;
    this.#table = table;
    // A bar says on a terminal what takes a line for each checkpoint in a log.
    this.#lines = verbose || !output.live;
    this.#batchLines = verbose;
  }

  watch(migrator: Pick<ResumableMigrator<object, object>, 'on'>): void {
    const output = this.#output;
    migrator.on('plan:ready', ({ added, checkpointSize, progress }) => {
      this.#checkpointSize = checkpointSize;
      this.#toDo = progress.checkpoints.total - progress.checkpoints.completed;
      if (added > 0) output.line(`   ✅ Created ${checkpoints(added)}`);
      reportStatus(output, progress);
    });
    migrator.on('checkpoint:claimed', (event) => this.#claimed(event));
    migrator.on('batch:committed', ({ seq, rows, checkpointRows }) => {
      this.#waiting = false;
      const batch = (this.#batches.get(seq) ?? 0) + 1;
      this.#batches.set(seq, batch);
      if (!this.#batchLines) return;
      output.line(
        `   Batch ${batch} of checkpoint ${seq}: Inserted ${rows} records (${checkpointRows} of this checkpoint)`,
      );
    });
    migrator.on('checkpoint:completed', ({ seq, rows }) => {
      if (this.#lines) output.line(`   ✅ Checkpoint ${seq} completed (${rows} records)`);
    });
    migrator.on('checkpoint:failed', ({ seq, code, message }) => {
      output.line(output.colour('red', `   ❌ Checkpoint ${seq} failed: ${code}: ${message}`));
    });
    migrator.on('checkpoint:lost', ({ seq }) => {
      output.line(output.colour('yellow', `   ⚠️ Checkpoint ${seq} was reset, or taken over by another run`));
    });
    migrator.on('retry', ({ code, message, delayMs }) => {
      output.line(
        output.colour('yellow', `   ⚠️ ${code}: ${message} Next try in ${(delayMs / 1000).toFixed(1)} s`),
      );
    });
    migrator.on('wait', () => {
      if (this.#waiting) return;
      this.#waiting = true;
      output.line(
        '   ⏳ Waiting: another run holds the checkpoints that are left, or was killed a few seconds ago',
      );
    });
    migrator.on('progress', (event) => this.#progress(event));
    migrator.on('run:end', (result) => {
      const { status, progress, failures } = result;
      this.#view.set(
        this.#table,
        status === 'failed'
          ? { is: status, code: failures[0]?.code ?? '' }
          : { is: status, rows: progress.rows },
      );
      if (status === 'completed') reportCompletion(output, result);
    });
  }

  #claimed({ seq, range, cursor, rows }: CheckpointEvent): void {
    this.#waiting = false;
    this.#started += 1;
    if (!this.#lines) return;
    const number = Math.min(this.#started, this.#toDo);
    this.#output.line();
    this.#output.line(
      `[${number}/${this.#toDo}] (${((number / this.#toDo) * 100).toFixed(1)}% of remaining)`,
    );
    this.#output.line(
      `📦 Checkpoint ${seq}: Processing ${showRange(range)}${upTo(range, this.#checkpointSize)}`,
    );
    if (cursor) this.#output.line(`   Going on after ${showKey(cursor)}: ${rows} records of it are in D1`);
  }

  #progress(event: ProgressEvent): void {
    this.#view.set(this.#table, { is: 'copying', progress: event });
    const now = performance.now();
    if (this.#output.live || now - this.#lastProgress < plainProgressMs) return;
    this.#lastProgress = now;
    const { rows, totalRows, percent, rowsPerSecond, remainingMs } = event;
    this.#output.line(
      `⏱️ ${rows} of ${totalRows} records (${percent.toFixed(1)}%), ${Math.round(rowsPerSecond)} rows/s, ${duration(remainingMs)} left`,
    );
  }
}

/** Where a run begins. */
function reportStatus(output: Lines, { checkpoints: counts, lastCompleted, next }: Progress): void {
  const pending = counts.total - counts.completed;
  output.line();
  output.line('📊 Migration Status:');
  if (lastCompleted) {
    output.line(`   Last completed: ${showRange(lastCompleted.range, '')} (checkpoint ${lastCompleted.seq})`);
  }
  if (next && (lastCompleted || next.cursor))
    output.line(`   Resuming from: ${showNext(next.range, next.cursor)}`);
  output.line(`   Pending checkpoints: ${pending}`);
  if (counts.failed > 0) output.line(`   Of these failed before, and are tried again: ${counts.failed}`);
  output.line();
  if (pending > 0) output.line(`📤 Processing ${checkpoints(pending)}...`);
}

function keyWord(key: PlanPreview['key']): string {
  const [only] = key;
  return key.length === 1 && only?.type === 'integer'
    ? 'ID'
    : `Key (${key.map(({ name }) => name).join(', ')})`;
}

/** Integer keys are shown as the guide shows them; others have no number before or after them. */
function isIntegerRange({ lower, upper }: KeyRange): boolean {
  return lower?.inclusive === true && upper.length === 1 && /^-?\d+$/.test(upper[0] ?? '');
}

function joined(key: Key): string {
  return oneLine(key.join(', '));
}

function showKey(key: Key): string {
  return key.length === 1 && /^-?\d+$/.test(key[0] ?? '') ? `ID ${key[0]}` : `key (${joined(key)})`;
}

function showRange(range: KeyRange, word = ' range'): string {
  if (isIntegerRange(range)) return `ID${word} ${range.lower?.key[0]}-${range.upper[0]}`;
  const from = range.lower ? `after (${joined(range.lower.key)}) ` : '';
  return `keys ${from}up to (${joined(range.upper)})`;
}

function showEnds(range: KeyRange): string {
  const from = range.lower ? joined(range.lower.key) : 'the first';
  return `${from} - ${joined(range.upper)}`;
}

function showNext(range: KeyRange, cursor: Key | null): string {
  if (isIntegerRange(range))
    return `ID ${cursor?.[0] === undefined ? range.lower?.key[0] : BigInt(cursor[0]) + 1n}`;
  const after = cursor ?? range.lower?.key;
  return after ? `the key after (${joined(after)})` : 'the first key';
}

function upTo(range: KeyRange, checkpointSize: number): string {
  if (!isIntegerRange(range)) return '';
  const ids = BigInt(range.upper[0] ?? 0) - BigInt(range.lower?.key[0] ?? 0) + 1n;
  return ids <= BigInt(checkpointSize) ? ` (up to ${ids} records)` : '';
}

function checkpoints(count: number): string {
  return `${count} ${count === 1 ? 'checkpoint' : 'checkpoints'}`;
}
