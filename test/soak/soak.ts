import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type Fault, FAULTS } from '../../examples/local/faults.ts';
import type { LocalStack } from '../../examples/local/stack.ts';
import { Random } from '../support/random.ts';
import { rowsSent } from '../support/rows-text.ts';
import { d1TableOf, expectedOf, failed, type Kind, type ProcessOptions } from './kinds.ts';

const script = fileURLToPath(new URL('./process.ts', import.meta.url));

/** How long and how hard. */
export interface SoakOptions {
  readonly seed: number;
  readonly milliseconds: number;
  /** Rows of a migration at the most. */
  readonly rows: number;
  /** Processes at once at the most. */
  readonly processes: number;
  /** False: nothing but processes is killed or restarted. */
  readonly outages: boolean;
  readonly log: (line: string) => void;
}

/** What happened. */
export interface SoakReport {
  migrations: number;
  rows: number;
  readonly kills: { SIGKILL: number; SIGTERM: number; SIGINT: number };
  starts: number;
  postgresRestarts: number;
  d1Restarts: number;
  faults: number;
  /** Rows that were sent again, because the answer or the sender was lost. */
  sentAgain: number;
  /** The most that may be: the batches in flight at every kill, restart and fault. */
  mostSentAgain: number;
  /** What is not as it should be; empty in the end, or something is broken. */
  readonly deviations: string[];
}

/** Faults that pass, before and after the commit. */
const passing: readonly Fault[] = [
  FAULTS.resetBefore,
  FAULTS.resetAfterCommit,
  FAULTS.badGateway,
  { ...FAULTS.badGateway, commit: true },
  FAULTS.internalError,
  { ...FAULTS.internalError, commit: true },
  { kind: 'truncated', commit: true },
];

/** Runs one migration after the other, and kills what can be killed meanwhile. */
export async function soak(stack: LocalStack, options: SoakOptions): Promise<SoakReport> {
  const report: SoakReport = {
    migrations: 0,
    rows: 0,
    kills: { SIGKILL: 0, SIGTERM: 0, SIGINT: 0 },
    starts: 0,
    postgresRestarts: 0,
    d1Restarts: 0,
    faults: 0,
    sentAgain: 0,
    mostSentAgain: 0,
    deviations: [],
  };
  const random = new Random(options.seed);
  const end = performance.now() + options.milliseconds;
  while (performance.now() < end && report.deviations.length === 0) {
    await new Migration(stack, options, random, report).run(end);
  }
  return report;
}

class Migration {
  readonly #stack: LocalStack;
  readonly #options: SoakOptions;
  readonly #random: Random;
  readonly #report: SoakReport;
  readonly #table: string;
  readonly #kind: Kind;
  readonly #rows: number;
  readonly #running = new Map<ChildProcess, ProcessOptions>();
  #completed = false;
  #faultRate = 0;
  #sent = 0;

  constructor(stack: LocalStack, options: SoakOptions, random: Random, report: SoakReport) {
    this.#stack = stack;
    this.#options = options;
    this.#random = random;
    this.#report = report;
    this.#table = `soak_${report.migrations + 1}`;
    this.#kind = random.pick(['upsert', 'append', 'transform']);
    this.#rows = random.whole(options.rows / 2, options.rows);
  }

  /** Copies to the end, however late it gets: only what is complete can be compared. */
  async run(end: number): Promise<void> {
    await this.#make();
    this.#stack.api.setFaults(({ queries }) => {
      for (const { sql, params } of queries) {
        if (sql.startsWith(`INSERT INTO "${this.#table}"`)) this.#sent += rowsSent(sql, params);
      }
      if (this.#random.fraction() >= this.#faultRate) return undefined;
      this.#report.faults += 1;
      this.#mayRepeat();
      return this.#random.pick(passing);
    });
    while (!this.#completed) {
      if (this.#running.size < this.#random.whole(1, this.#options.processes)) this.#start();
      await sleep(this.#random.whole(50, 600));
      // After its time the soak only lets the last migration come to its end.
      if (performance.now() < end) await this.#disturb();
      else this.#faultRate = 0;
    }
    await Promise.all([...this.#running.keys()].map(async (child) => await once(child, 'close')));
    this.#stack.api.setFaults(undefined);
    await this.#compare();
    this.#report.migrations += 1;
    this.#report.rows += this.#rows;
  }

  async #make(): Promise<void> {
    await this.#postgres(`CREATE TABLE ${this.#table} (id bigint PRIMARY KEY, v text NOT NULL)`);
    await this.#postgres(
      `INSERT INTO ${this.#table} SELECT i * 3 - 50000, 'v' || i || repeat('x', i % 40) FROM generate_series(1, ${this.#rows}) AS i`,
    );
    // The local server commits before its log is written: what is to survive its crash has to be made durable.
    await this.#postgres('CHECKPOINT');
    const ddl = d1TableOf(this.#table, this.#kind);
    if (ddl !== null) await (await this.#stack.d1.database()).prepare(ddl).run();
    this.#options.log(`${this.#table}: ${this.#kind}, ${this.#rows} rows`);
  }

  #start(): void {
    const options: ProcessOptions = {
      table: this.#table,
      kind: this.#kind,
      concurrency: this.#random.whole(1, 4),
      batchSize: this.#random.whole(20, 400),
      pageSize: this.#random.whole(50, 2_000),
    };
    const child = spawn(process.execPath, [script], {
      env: { PATH: process.env['PATH'], ...this.#stack.env, SOAK_PROCESS: JSON.stringify(options) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (data: Buffer) => (said += data.toString()));
    this.#report.starts += 1;
    this.#running.set(child, options);
    child.once('close', (code) => {
      this.#running.delete(child);
      if (code === 0) this.#completed = true;
      if (said === '') return;
      const text = said.trim().slice(0, 500);
      if (said.startsWith(failed)) this.#options.log(`  ${text}`);
      else this.#report.deviations.push(`${this.#table}: a process broke down with ${code}: ${text}`);
    });
  }

  async #disturb(): Promise<void> {
    const { outages } = this.#options;
    const dice = this.#random.fraction();
    if (outages && dice < 0.04) {
      this.#report.postgresRestarts += 1;
      await this.#stack.postgres.restart(this.#random.pick(['fast', 'immediate']));
    } else if (outages && dice < 0.08) {
      this.#report.d1Restarts += 1;
      for (const options of this.#running.values()) this.#mayRepeat(options);
      await this.#stack.d1.restart();
    } else if (outages && dice < 0.18) {
      this.#faultRate = this.#faultRate > 0 ? 0 : 0.1;
    } else if (dice < 0.8) {
      const victim = this.#random.pick([...this.#running]);
      if (!victim) return;
      const [child, options] = victim;
      const signal = this.#random.pick(['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGINT'] as const);
      if (child.kill(signal)) {
        this.#report.kills[signal] += 1;
        this.#mayRepeat(options);
      }
    }
  }

  /** Every batch in flight may have to be sent again; of an unknown process the largest that there can be. */
  #mayRepeat({ concurrency, batchSize }: Pick<ProcessOptions, 'concurrency' | 'batchSize'> = largest): void {
    // A batch of the transform's rows holds two for some rows of the source.
    this.#report.mostSentAgain += concurrency * batchSize * (this.#kind === 'transform' ? 2 : 1);
  }

  async #compare(): Promise<void> {
    const { rows, rejected } = expectedOf(this.#table, this.#kind);
    const expected = await this.#postgres(rows);
    const columns =
      this.#kind === 'transform' ? 'CAST(id AS TEXT), v, CAST(part AS TEXT)' : 'CAST(id AS TEXT), v';
    const order =
      this.#kind === 'transform' ? `${this.#table}.id, ${this.#table}.part` : `${this.#table}.id, v`;
    const actual = await this.#d1(`SELECT ${columns} FROM ${this.#table} ORDER BY ${order}`);
    this.#report.sentAgain += Math.max(0, this.#sent - expected.length);
    const deviate = (text: string): void => {
      this.#report.deviations.push(`${this.#table} (${this.#kind}): ${text}`);
    };
    const [source] = await this.#postgres(`SELECT count(*)::text FROM ${this.#table}`);
    if (source?.[0] !== String(this.#rows)) deviate(`the source itself has ${source?.[0]} rows`);
    for (const text of differences(expected, actual)) deviate(text);
    if (this.#kind === 'transform') {
      const setAside = await this.#d1(
        `SELECT key FROM migration_rejects WHERE table_name = '${this.#table}' ORDER BY CAST(substr(key, 3) AS INTEGER)`,
      );
      for (const text of differences(await this.#postgres(rejected), setAside)) deviate(`rejected: ${text}`);
    }
    const [counts] = await this.#d1(
      `SELECT CAST(sum(records_processed) AS TEXT), CAST(sum(status <> 'completed') AS TEXT) FROM migration_checkpoints WHERE table_name = '${this.#table}'`,
    );
    if (counts?.[0] !== String(this.#rows))
      deviate(`the checkpoints count ${counts?.[0]} of ${this.#rows} rows`);
    if (counts?.[1] !== '0') deviate(`${counts?.[1]} checkpoints are not completed`);
  }

  async #postgres(text: string): Promise<(string | null)[][]> {
    const client = new pg.Client({ connectionString: this.#stack.env.DATABASE_URL });
    await client.connect();
    try {
      return (await client.query<(string | null)[]>({ text, rowMode: 'array' })).rows;
    } finally {
      await client.end();
    }
  }

  async #d1(sql: string): Promise<(string | null)[][]> {
    const { results } = await (await this.#stack.d1.database()).prepare(sql).all();
    return results.map((row) => Object.values(row) as (string | null)[]);
  }
}

const largest = { concurrency: 4, batchSize: 400 };

/** The first few rows that are there too often or too seldom. */
export function differences(
  expected: readonly (readonly (string | null)[])[],
  actual: readonly (readonly (string | null)[])[],
): string[] {
  const surplus = new Map<string, number>();
  for (const [rows, by] of [
    [expected, -1],
    [actual, 1],
  ] as const) {
    for (const row of rows) surplus.set(JSON.stringify(row), (surplus.get(JSON.stringify(row)) ?? 0) + by);
  }
  const wrong = [...surplus].filter(([, count]) => count !== 0);
  const shown = wrong
    .slice(0, 5)
    .map(([row, count]) => `${row} is there ${Math.abs(count)} times too ${count > 0 ? 'often' : 'seldom'}`);
  return wrong.length > 5 ? [...shown, `and ${wrong.length - 5} more`] : shown;
}
