/** A Worker that reads PostgreSQL over Hyperdrive and writes D1: both bindings in one place. */
import { Client } from 'pg';

interface Env {
  POSTGRES: { connectionString: string };
  DB: { prepare(sql: string): { bind(...values: unknown[]): { run(): Promise<unknown> } } };
}

export default {
  async fetch(_request: Request, env: Env): Promise<Response> {
    const client = new Client({ connectionString: env.POSTGRES.connectionString });
    await client.connect();
    const { rows } = await client.query<{ answer: number }>('SELECT answer FROM source');
    await client.end();
    await env.DB.prepare('INSERT INTO target SELECT value FROM json_each(?)')
      .bind(JSON.stringify(rows.map(({ answer }) => answer)))
      .run();
    return Response.json(rows);
  },
};
