/**
 * `npm run demo`: a real PostgreSQL, a real D1, a migration that is killed half-way and goes on; then every row of
 * both sides is compared. Needs no account, and leaves nothing behind.
 */
import { compareTable, type ComparedTable, type Comparison, SAMPLE_TABLES } from './cli/compare.ts';
import { queryD1 } from './cli/d1-query.ts';
import { Command, commandEnvironment, killHalfWay } from './cli/demo-copy.ts';
import { DEMO_HELP, type DemoOptions, readDemoOptions } from './cli/demo-options.ts';
import { type DemoSummary, figures, grouped, summarize, summaryLines } from './cli/demo-report.ts';
import { MONITORING_QUERIES } from './cli/guide-queries.ts';
import { textTable } from './cli/text-table.ts';
import { fillCameras, fillDrive } from './local/sample-data.ts';
import { type LocalStack, startLocalStack } from './local/stack.ts';

const { coordinate_speed_new: drive, camera_locations: cameras } = SAMPLE_TABLES;

type Say = (...lines: string[]) => void;

async function demo({ rows, json }: DemoOptions, say: Say): Promise<DemoSummary> {
  const started = performance.now();
  say(
    `This demo moves ${grouped(rows)} rows of a recorded drive, and the places of 171,000 cameras, out of a real`,
    'PostgreSQL 18 into a real Cloudflare D1 (in workerd, as Cloudflare runs it) through the D1 REST API. Half-way it',
    'kills the migration, runs the same command again, and compares every row afterwards.',
    'All of it happens on this machine, and nothing of it is left behind.',
  );

  heading(say, '1. Two databases');
  await using stack = await startLocalStack();
  const commands = new Set<Command>();
  stopOnInterrupt(stack, commands);
  say(`PostgreSQL, D1 and the API are running (${since(started)}).`);
  const filling = performance.now();
  await fillDrive(stack.env.DATABASE_URL, rows);
  const cameraRows = await fillCameras(stack.env.DATABASE_URL);
  say(`PostgreSQL has ${grouped(rows)} + ${grouped(cameraRows)} rows (${since(filling)}). D1 is empty.`);

  const copy = ({ table }: ComparedTable): Command => {
    const env = commandEnvironment(stack, table === drive.table ? rows : undefined);
    const command = new Command(env, ['--table', table], json ? 'stderr' : 'stdout');
    commands.add(command);
    return command;
  };

  heading(say, '2. The migration begins, and is killed half-way', '$ npm run migrate:resume');
  const copying = performance.now();
  const killedAtRows = await killHalfWay(stack, copy(drive), drive.table, rows);
  say(
    '',
    `💥 Killed with SIGKILL: no goodbye, no cleaning up. D1 had confirmed ${grouped(killedAtRows)} rows, and a further`,
    'request was on its way, of which the dead process will never learn whether it came through.',
  );

  heading(
    say,
    '3. The same command again',
    'Completed checkpoints are skipped. Those in which the killed process stood are taken over once its leases end,',
    '10 seconds after its last sign of life, and go on behind the last row that D1 has.',
    '$ npm run migrate:resume',
  );
  await succeed(copy(drive));
  const driveFigures = figures(drive.table, rows, performance.now() - copying);

  heading(say, '4. The second table', '$ npm run migrate:resume:camera');
  const second = performance.now();
  await succeed(copy(cameras));
  const cameraFigures = figures(cameras.table, cameraRows, performance.now() - second);
  const { requests, rowsChanged } = stack.api.statistics();

  heading(
    say,
    '5. What D1 knows of it',
    'Progress is in D1, in the table migration_checkpoints: ask it while a migration runs.',
  );
  for (const { question, sql } of MONITORING_QUERIES) {
    const answer = textTable(await queryD1(stack.env, sql));
    say('', `-- ${question}`, ...indented(sql.split('\n')), '', ...indented(answer));
  }

  heading(say, '6. Every column of every row, on both sides');
  const comparisons: Comparison[] = [];
  for (const compared of [drive, cameras]) {
    const comparing = performance.now();
    const comparison = await compareTable(stack.env, compared);
    comparisons.push(comparison);
    const { table, missing, extra, different, examples } = comparison;
    const equal = missing + extra + different === 0;
    say(
      equal
        ? `✅ ${table}: ${grouped(comparison.rows)} rows, all the same (${since(comparing)})`
        : `❌ ${table}: ${missing} rows are missing in D1, ${extra} are too many, ${different} differ`,
      ...indented(examples),
    );
  }

  const summary = summarize({
    tables: [driveFigures, cameraFigures],
    comparisons,
    rowsChanged,
    requests,
    killedAtRows,
    demoMilliseconds: performance.now() - started,
  });
  heading(
    say,
    'The figures',
    'Seconds are those of copying; for the first table the kill and the restart are among them.',
    '',
  );
  say(...summaryLines(summary));
  say(
    '',
    summary.ok
      ? '✅ Nothing lost, nothing twice.'
      : '❌ The two sides are not the same, or a row was written twice.',
  );
  return summary;
}

async function succeed(run: Command): Promise<void> {
  const exitCode = await run.exit();
  if (exitCode !== 0)
    throw new Error(`The migration ended with exit code ${exitCode}; its output above says why.`);
}

/** Set by Ctrl-C: what fails after that fails because everything is being stopped. */
let interrupted = false;

/** The databases have process groups of their own, which a Ctrl-C does not reach: they have to be told. */
function stopOnInterrupt(stack: LocalStack, commands: ReadonlySet<Command>): void {
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      interrupted = true;
      for (const { child } of commands) child.kill('SIGKILL');
      void stack.stop().finally(() => process.exit(exitCode));
    });
  }
}

function heading(say: Say, title: string, ...lines: string[]): void {
  say('', `── ${title} ${'─'.repeat(Math.max(3, 90 - title.length))}`, ...lines);
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `   ${line}`.trimEnd());
}

function since(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}

async function main(): Promise<number> {
  let options: DemoOptions;
  try {
    options = readDemoOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`❌ ${error instanceof Error ? error.message : String(error)}\n\n${DEMO_HELP}`);
    return 2;
  }
  if (options.help) {
    console.log(DEMO_HELP);
    return 0;
  }
  const say: Say = (...lines) => (options.json ? console.error : console.log)(lines.join('\n'));
  try {
    const summary = await demo(options, say);
    if (options.json) console.log(JSON.stringify(summary));
    return summary.ok ? 0 : 1;
  } catch (error) {
    if (interrupted) return 130;
    const message = error instanceof Error ? error.message : String(error);
    console.error(`\n❌ The demo failed: ${message}`);
    if (options.json) console.log(JSON.stringify({ ok: false, error: message }));
    return 1;
  }
}

process.exitCode = await main();
