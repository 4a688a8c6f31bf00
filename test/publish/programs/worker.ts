// A Worker that copies rows into its own D1 database, with the types of Cloudflare's package.
import type { D1Database } from '@cloudflare/workers-types';
import { ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink } from 'resumable-migrator/d1';
import { MemorySource } from 'resumable-migrator/memory';

interface Environment {
  readonly DB: D1Database;
}

const rows = Array.from({ length: 500 }, (_, index) => [String(index + 1), `row ${index + 1}`]);

export default {
  async fetch(_request: Request, env: Environment): Promise<Response> {
    const source = new MemorySource({
      columns: [
        { name: 'id', type: 'integer', nativeType: 'bigint', nullable: false },
        { name: 'name', type: 'text', nativeType: 'text', nullable: false },
      ],
      key: ['id'],
      rows,
    });
    const sink = new D1BindingSink({ database: env.DB, table: 'copied' });
    await using migrator = new ResumableMigrator({ source, sink, checkpointSize: 100 });
    const { status } = await migrator.run();
    const { results } = await env.DB.prepare('SELECT * FROM copied ORDER BY id').all();
    return Response.json({ status, results });
  },
};
