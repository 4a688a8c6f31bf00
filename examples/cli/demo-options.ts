import { parseArgs } from 'node:util';
import { DRIVE_ROWS } from '../local/sample-data.ts';

/** What `npm run demo` was asked to do. */
export interface DemoOptions {
  readonly rows: number;
  readonly json: boolean;
  readonly help: boolean;
}

export const DEMO_HELP: string = `Shows a migration that is killed half-way and goes on: on this machine, without any account.

  npm run demo [-- --rows N] [--json]

  --rows N   rows of the first table, at least 100 (${DRIVE_ROWS})
  --json     one JSON summary on stdout; everything else goes to stderr
`;

/** Reads the demo's arguments; throws what is wrong with them. */
export function readDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: String(DRIVE_ROWS) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const rows = /^\d+$/.test(values.rows) ? Number(values.rows) : NaN;
  if (!Number.isSafeInteger(rows) || rows < 100) {
    throw new Error(`--rows must be a whole number of at least 100, not ${values.rows}.`);
  }
  return { rows, json: values.json, help: values.help };
}
