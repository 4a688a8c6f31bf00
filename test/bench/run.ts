/**
 * `npm run bench`: this package against what the same writes take with nothing around them, and against other ways, in one
 * run on one machine. `--help` says what can be chosen.
 */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { DRIVE_ROWS } from '../../examples/local/sample-data.ts';
import { bench, lengthsOf, SUBJECTS } from './bench.ts';
import { markdown } from './report.ts';

const memory = 'memory';
const words = [...Object.keys(SUBJECTS), memory];
const help = `npm run bench -- [options]
  --rounds N     rounds; default 7. What takes minutes has its turn in three of them at the most
  --rows N       rows of the narrow table, ${DRIVE_ROWS} by default; the wide one is smaller in the same proportion
  --only A,B     some of: ${words.join(', ')}
  --large        copies tables of 10 and 20 million rows as well
  --json         one JSON object on the standard output, and everything else on the other one
  --write        writes docs/benchmarks.md`;
const page = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));

interface Settings {
  readonly rounds: number;
  readonly rows: number;
  readonly only: readonly string[];
  readonly large: boolean;
  readonly json: boolean;
  readonly write: boolean;
}

function readSettings(): Settings | null {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '7' },
      rows: { type: 'string', default: String(DRIVE_ROWS) },
      only: { type: 'string', default: words.join(',') },
      large: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const count = (name: 'rounds' | 'rows'): number => {
    if (/^[1-9]\d{0,8}$/.test(values[name])) return Number(values[name]);
    throw new Error(`--${name} takes a whole number above 0.`);
  };
  const only = values.only.split(',');
  const unknown = only.filter((word) => !words.includes(word));
  if (unknown.length > 0) throw new Error(`--only does not know ${unknown.join(', ')}.`);
  if (values.write && only.length < words.length)
    throw new Error('--write needs all figures, so leave --only out.');
  const { large, json, write } = values;
  return { rounds: count('rounds'), rows: count('rows'), only, large, json, write };
}

async function main({ rounds, rows, only, large, json, write }: Settings): Promise<void> {
  const report = await bench({
    rounds,
    rows,
    subjects: only.flatMap((word) => SUBJECTS[word] ?? []),
    lengths: only.includes(memory) ? lengthsOf(rows, large) : [],
    log: (line) => console.error(line),
  });
  const text = markdown(report);
  if (write) {
    const options = await resolveConfig(page);
    await writeFile(page, await format(text, { ...options, filepath: page }));
  }
  console.log(json ? JSON.stringify(report) : text);
}

/** With an orderly end whatever was started or written beside the databases is cleaned up. */
function stop(signal: string): void {
  console.error(`❌ Stopped by ${signal}.`);
  process.exit(130);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(signal));
try {
  const settings = readSettings();
  if (settings) await main(settings);
  else console.log(help);
} catch (error) {
  console.error(`❌ ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
