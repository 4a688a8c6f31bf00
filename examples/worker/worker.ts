// A Worker that copies a table from PostgreSQL (through Hyperdrive) into its own D1 database.
// Each request works for a while and answers with what it did; ask again until the status is `completed`.
import { isMigratorError, ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

interface Environment {
  readonly DB: D1DatabaseLike;
  readonly HYPERDRIVE: { readonly connectionString: string };
}

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const table = searchParams.get('table') ?? 'coordinate_speed_new';
    const milliseconds = Number(searchParams.get('milliseconds') ?? 20_000);
    // A connection belongs to one request in Workers, so source and migrator are made here and closed at the end.
    await using migrator = new ResumableMigrator({
      source: new PostgresKeysetSource({ connectionString: env.HYPERDRIVE.connectionString, table }),
      sink: new D1BindingSink({ database: env.DB, table }),
    });
    try {
      return Response.json(await migrator.run({ budget: { milliseconds } }));
    } catch (error) {
      if (!isMigratorError(error)) throw error;
      const { code, message, help, result } = error;
      return Response.json({ status: 'failed', code, message, help, result }, { status: 500 });
    }
  },
};
