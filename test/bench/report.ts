import { grouped } from '../../examples/cli/demo-report.ts';
import { type BenchReport, slowRounds, type TableReport } from './bench.ts';
import { smallYoungSpace } from './growth.ts';
import { LINES, type LineFigures, type LineName } from './lines.ts';
import { DISTANCE } from './subjects/cloudflare.ts';

/** Lines whose seconds say something when held against the ceiling. */
const heldAgainstCeiling = new Set<LineName>([
  'rest-ceiling',
  'rest-copy',
  'rest-verify',
  'worker-ceiling',
  'worker-copy',
  'worker-verify',
]);

/** The report as Markdown, in sentences for strangers. */
export function markdown(report: BenchReport): string {
  const { machine, versions, rounds, date, tables, growth } = report;
  return [
    '# Benchmarks',
    `This page is written by \`npm run bench -- --write\`, which measures everything on it in one run on one machine:
PostgreSQL ${versions.postgres}, D1 in workerd ${versions.workerd} with the Worker that answers in the place of Cloudflare's API, and the copying process on the same
${machine.cores} cores (${machine.cpu}, ${gigabytes(machine.memoryBytes)} of memory), with Node ${versions.node}, resumable-migrator ${versions.package} and wrangler
${versions.wrangler}, on ${date}. Figures of another machine are other figures; the ratios are what stays.`,
    `In each round, of which there were ${rounds}, every line has its turn, in the one order and in the other, with an empty database of its own, whose servers have answered one request
before; those that take minutes, and those through a simulated API, in ${slowRounds(rounds).length} of them. Seconds are the median of the rounds, and a
ratio is the median of the ratios of each round, so that what slows the machine down for a while slows down both sides.
After every copy each value of each row in D1 is compared with PostgreSQL; a difference ends the benchmark.`,
    ...tables.flatMap(tableSection),
    ...(tables.length > 0 ? meanings(tables) : []),
    ...afarSection(tables),
    ...growthSection(report, growth.length),
  ].join('\n\n');
}

const names: Readonly<Record<TableReport['name'], string>> = {
  narrow: 'The narrow table',
  wide: 'The wide table',
};

const made: Readonly<Record<TableReport['name'], string>> = {
  narrow: 'a recorded drive: an integer key, three floats and a time',
  wide: 'integers, floats, decimals, booleans, times, UUIDs, texts with quotes and in many scripts, JSON and bytes',
};

function tableSection({ name, rows, columns, bytes, lines }: TableReport): string[] {
  const shown = lines.filter(({ line }) => line !== 'afar');
  return [
    `## ${names[name]}`,
    `${grouped(rows)} rows of ${columns} columns (${made[name]}); ${megabytes(bytes)} of requests.`,
    table(
      ['', 'seconds', 'rows/s', 'times the ceiling', 'times this package'],
      shown.map((figures) => [
        `${LINES[figures.line].label}${noteOf(figures, rows)}`,
        duration(figures.seconds),
        grouped(figures.rowsPerSecond),
        heldAgainstCeiling.has(figures.line) ? ratio(figures.toCeiling) : '',
        ratio(figures.toCopy),
      ]),
    ),
  ];
}

function noteOf({ inFlight, part }: LineFigures, rows: number): string {
  if (inFlight !== null) return ` (${inFlight} at a time)`;
  return part === null || part === rows ? '' : ` (${grouped(part)} rows, scaled)`;
}

function meanings(tables: readonly TableReport[]): string[] {
  const shown = new Set(tables.flatMap(({ lines }) => lines.map(({ line }) => line)));
  const list = (Object.keys(LINES) as LineName[])
    .filter((line) => shown.has(line))
    .map((line) => `- **${LINES[line].label}**: ${LINES[line].meaning}`);
  return ['## What the lines mean', list.join('\n')];
}

function afarSection(tables: readonly TableReport[]): string[] {
  const rows = tables.flatMap(({ name, rows: count, bytes, lines }) =>
    lines
      .filter(({ line }) => line === 'afar')
      .map(({ seconds, requests }) => [
        name,
        grouped(count),
        duration(seconds),
        duration((bytes * 8) / DISTANCE.bandwidthBitsPerSecond),
        String(requests),
      ]),
  );
  if (rows.length === 0) return [];
  const { roundTripMs, bandwidthBitsPerSecond, quota } = DISTANCE;
  return [
    '## From afar',
    `The same copy over REST through a process that simulates Cloudflare's API: every request takes ${roundTripMs} ms of way, all share a line of ${bandwidthBitsPerSecond / 1e6} Mbit/s, and the API takes
${grouped(quota.requests)} requests in five minutes, as Cloudflare's does. The line alone needs the seconds of the fourth column for the bytes of the
writes.`,
    table(['table', 'rows', 'seconds', 'the line alone', 'requests'], rows),
  ];
}

function growthSection({ growth }: BenchReport, points: number): string[] {
  if (points === 0) return [];
  return [
    '## Longer tables, and memory',
    `Tables like the narrow one, over REST, copied in turns, three times in all, each time by a process of its own. Seconds are the median. Memory is the
higher peak of two of these processes above what they held with everything imported before they began; the whole process is all of it. The last
two columns are of the copy between these two, with Node's \`${smallYoungSpace}\`: V8's space for young objects grows with what a process has made in all, unless it is told not to.`,
    table(
      ['rows', 'seconds', 'rows/s', 'memory', 'whole process', 'memory, limited', 'whole process, limited'],
      growth.map(({ rows, seconds, rowsPerSecond, memory, smallMemory }) => [
        grouped(rows),
        duration(seconds),
        grouped(rowsPerSecond),
        ...[memory, smallMemory].flatMap(({ grown, whole }) => [megabytes(grown), megabytes(whole)]),
      ]),
    ),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  );
}

function duration(seconds: number): string {
  if (seconds >= 3_600) return `${grouped(Math.round(seconds))} (${(seconds / 3_600).toFixed(1)} h)`;
  return seconds >= 100 ? grouped(Math.round(seconds)) : seconds.toFixed(seconds < 10 ? 2 : 1);
}

function ratio(value: number | null): string {
  if (value === null) return '';
  return value >= 100 ? grouped(Math.round(value)) : value.toFixed(2);
}

function megabytes(bytes: number): string {
  return `${grouped(Math.round(bytes / 1e6))} MB`;
}

function gigabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 30)} GiB`;
}
