// Copies a table of a PostgreSQL into a SQLite file, which serves as a database for development:
//   DATABASE_URL=postgres://... TABLE_NAME=trips SQLITE_FILE=trips.sqlite node examples/adapters/postgres-to-sqlite.ts
// Stop it at any moment, and run it again: it goes on.
import { isMigratorError, ResumableMigrator } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { SqliteSink } from './sqlite-sink.ts';

const { DATABASE_URL, TABLE_NAME, SQLITE_FILE } = process.env;
if (!DATABASE_URL || !TABLE_NAME || !SQLITE_FILE) {
  console.error('Set DATABASE_URL, TABLE_NAME and SQLITE_FILE.');
  process.exit(2);
}
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

await using migrator = new ResumableMigrator<object, object>({
  source: new PostgresKeysetSource({ connectionString: DATABASE_URL, table: TABLE_NAME }),
  sink: new SqliteSink({ file: SQLITE_FILE, table: TABLE_NAME }),
  leaseMs: 2_000,
});
migrator.on('progress', ({ percent }) => console.log(`${percent.toFixed(1)} %`));
try {
  const { status, rows } = await migrator.run({ signal: stop.signal });
  console.log(`${status}: ${rows} rows`);
  process.exitCode = status === 'completed' ? 0 : 130;
} catch (error) {
  if (!isMigratorError(error)) throw error;
  console.error(`${error.code}: ${error.message}\n${error.help}`);
  process.exitCode = 1;
}
