import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import pg from 'pg';
import { copyOut } from './copy-out.ts';
import { type BenchTable, storedText, type Stored } from './tables.ts';

/**
 * As long as 500 narrow rows. D1 takes 100,000 bytes; but wrangler looks for the end of a statement by reading it again and
 * again from its beginning, so that it runs longer ones several times slower.
 */
const maxStatementBytes = 35_000;

/**
 * Writes a table as `pg_dump --inserts --rows-per-insert=500` does, with fewer rows a statement where they are wide.
 * PostgreSQL itself makes the literals, in the forms in which this package stores the values, so that both can be compared.
 */
export async function writeDump(
  connectionString: string,
  { table, columns }: BenchTable,
  createTable: string,
  file: string,
): Promise<void> {
  const out = createWriteStream(file);
  const client = new pg.Client({ connectionString });
  await client.connect();
  const literals = Object.entries(columns).map(
    ([name, stored]) => `coalesce(${literal(name, stored)}, 'NULL')`,
  );
  const head = `INSERT INTO ${table} VALUES\n`;
  let text = `${createTable};\n`;
  let rows = 0;
  let bytes = 0;
  try {
    await copyOut(
      client,
      `COPY (SELECT '(' || ${literals.join(` || ',' || `)} || ')' FROM ${table} ORDER BY id) TO STDOUT`,
      (line) => {
        const full = rows === 500 || bytes + line.length + head.length > maxStatementBytes;
        if (full) {
          out.write(`${text};\n`);
          text = '';
          rows = 0;
          bytes = 0;
        }
        text += rows === 0 ? head : ',\n';
        text += unescaped(line.toString('utf8', 0, line.length - 1));
        rows += 1;
        bytes += line.length + 1;
      },
    );
  } finally {
    await client.end();
  }
  out.end(rows > 0 ? `${text};\n` : text);
  await once(out, 'close');
}

function literal(name: string, stored: Stored): string {
  const text = storedText(name, stored);
  switch (stored) {
    case 'integer':
    case 'float':
    case 'boolean':
      return text;
    case 'bytes':
      return `'X''' || ${text} || ''''`;
    default:
      return `'''' || replace(${text}, '''', '''''') || ''''`;
  }
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v' };

/** A line of COPY's text format as the text that it stands for. */
function unescaped(line: string): string {
  if (!line.includes('\\')) return line;
  return line.replaceAll(/\\(.)/g, (_all, letter: string) => escapes[letter] ?? letter);
}
