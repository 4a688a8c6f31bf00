/**
 * `npm run bench -- --rounds 3 --rows 2210059 --only rest,ceiling --large --json --write`: this package against what the
 * same writes take with nothing around them, and against other ways, in one run on one machine.
 */
import { parseArgs } from 'node:util';
import { DRIVE_ROWS } from '../../examples/local/sample-data.ts';
import { bench, WORDS } from './bench.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    rows: { type: 'string', default: String(DRIVE_ROWS) },
    only: { type: 'string', default: WORDS.join(',') },
    large: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const only = values.only.split(',');
const unknown = only.filter((word) => !WORDS.includes(word));
if (unknown.length > 0) {
  console.error(`❌ --only knows ${WORDS.join(', ')}; not ${unknown.join(', ')}.`);
  process.exit(2);
}
const report = await bench({
  rounds: Number(values.rounds),
  rows: Number(values.rows),
  only,
  large: values.large,
  log: (line) => console.error(line),
});
if (values.json) console.log(JSON.stringify(report));
else console.dir(report, { depth: null });
