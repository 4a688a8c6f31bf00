/** The package inside a Worker, and the ceiling over the binding: the same writes from memory, back to back. */
import { ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike, type D1StatementLike } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { byCheckpoint, checkpointOf, type RecordedBatch, sendAll } from './replay.ts';

interface Environment {
  /** A database of this process, which stays empty. */
  readonly DB: D1DatabaseLike;
  /** The one that is measured, in another process. */
  readonly D1_SERVER: object;
  readonly HYPERDRIVE: { readonly connectionString: string };
}

/** Stays from one request to the next. */
const loaded: { checkpoint: string; item: D1StatementLike[] }[] = [];

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const table = searchParams.get('table') ?? '';
    switch (pathname) {
      case '/copy': {
        await using migrator = migratorOf(env, table);
        return Response.json(await migrator.run());
      }
      case '/verify': {
        await using migrator = migratorOf(env, table);
        return Response.json(await migrator.verify({ mode: 'full' }));
      }
      case '/awake':
        return Response.json(await databaseOf(env).prepare('SELECT 1').all());
      case '/load': {
        const recorded = (await request.json()) as RecordedBatch;
        const database = databaseOf(env);
        const item = recorded.batch.map(({ sql, params }) => database.prepare(sql).bind(...params));
        loaded.push({ checkpoint: checkpointOf(recorded), item });
        return Response.json({ loaded: loaded.length });
      }
      default: {
        const database = databaseOf(env);
        const inFlight = Number(searchParams.get('inFlight'));
        await sendAll(byCheckpoint(loaded), inFlight, async (item) => void (await database.batch(item)));
        return Response.json({ sent: loaded.length });
      }
    }
  },
};

function migratorOf(env: Environment, table: string): ResumableMigrator {
  return new ResumableMigrator({
    source: new PostgresKeysetSource({ connectionString: env.HYPERDRIVE.connectionString, table }),
    sink: new D1BindingSink({ database: databaseOf(env), table }),
  });
}

/** The binding's own class before another server. */
function databaseOf({ DB, D1_SERVER }: Environment): D1DatabaseLike {
  const Binding = DB.constructor as new (server: object) => D1DatabaseLike;
  return new Binding(D1_SERVER);
}
