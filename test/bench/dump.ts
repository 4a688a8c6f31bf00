import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import pg from 'pg';
import { copyOut } from './copy-out.ts';
import { type BenchTable, storedText, type Stored } from './tables.ts';

/** D1 takes statements of up to 100,000 bytes. */
const maxStatementBytes = 100_000;

/**
 * Writes a table as `pg_dump --inserts --rows-per-insert=500` does: statements of 500 rows, or of as many as D1 takes.
 * PostgreSQL itself makes the literals, in the forms in which this package stores the values, so that both can be compared.
 *
 * @returns rows of the longest statement.
 */
export async function writeDump(
  connectionString: string,
  { table, columns }: BenchTable,
  createTable: string,
  file: string,
): Promise<number> {
  const out = createWriteStream(file);
  const client = new pg.Client({ connectionString });
  await client.connect();
  const literals = Object.entries(columns).map(
    ([name, stored]) => `coalesce(${literal(name, stored)}, 'NULL')`,
  );
  const head = `INSERT INTO ${table} VALUES\n`;
  let text = `${createTable};\n`;
  let rows = 0;
  let most = 0;
  let bytes = 0;
  try {
    await copyOut(
      client,
      `COPY (SELECT '(' || ${literals.join(` || ',' || `)} || ')' FROM ${table} ORDER BY id) TO STDOUT`,
      (line) => {
        const full = rows === 500 || bytes + line.length + head.length > maxStatementBytes;
        if (full) {
          most = Math.max(most, rows);
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
  return Math.max(most, rows);
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
