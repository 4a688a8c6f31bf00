import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** A table whose ids end at `last`, and which PostgreSQL takes to be full of them: only its statistics say so. */
async function tableUpTo(table: string, last: number): Promise<ResumableMigrator<object, object>> {
  const rows = 200_000;
  await world.postgres(
    `CREATE TABLE ${table} (id bigint PRIMARY KEY, v text)`,
    `INSERT INTO ${table} SELECT i * ${last / rows}, 'v' FROM generate_series(1, ${rows}) AS i`,
    `VACUUM ANALYZE ${table}`,
    `UPDATE pg_class SET reltuples = ${last} WHERE relname = '${table}'`,
  );
  return new ResumableMigrator<object, object>({ source: world.source(table), sink: world.rest(table) });
}

test('100 million ids are planned as 2,000 checkpoints in four requests, before the first row is read', async () => {
  const migrator = await tableUpTo('large', 100_000_000);
  let planned: { added: number; complete: boolean; milliseconds: number } | null = null;
  const started = performance.now();
  migrator.on('plan:ready', ({ added, complete }) => {
    planned = { added, complete, milliseconds: performance.now() - started };
  });
  let appends = 0;
  world.stack.api.setFaults(({ sql }) => {
    appends += sql.filter((text) => text.startsWith('INSERT INTO "migration_checkpoints"')).length;
    return undefined;
  });
  await migrator.run({ budget: { batches: 1 } });
  world.stack.api.setFaults(undefined);
  console.log(`planned after ${Math.round(planned!.milliseconds)} ms`);
  expect(planned).toMatchObject({ added: 2_000, complete: true });
  expect(appends).toBe(4);
  const ends = await world.d1(
    `SELECT min(start_id) AS first, max(end_id) AS last, count(*) AS n, sum(end_id - start_id + 1) AS ids
     FROM migration_checkpoints WHERE table_name = 'large'`,
  );
  expect(ends).toEqual([{ first: 500, last: 100_000_000, n: 2_000, ids: 100_000_000 - 499 }]);
});

test('progress is counted along an index that has all it needs, and a claim looks at no checkpoint that is done', async () => {
  const explain = async (query: string): Promise<string> =>
    (await world.d1(`EXPLAIN QUERY PLAN ${query}`)).map(({ detail }) => String(detail)).join('; ');
  const queries: string[] = [];
  world.stack.api.setFaults(({ sql }) => {
    queries.push(...sql.filter((text) => text.includes('migration_checkpoints')));
    return undefined;
  });
  const migrator = new ResumableMigrator<object, object>({
    source: world.source('large'),
    sink: world.rest('large'),
  });
  await migrator.run({ budget: { batches: 1 } });
  await migrator.status();
  world.stack.api.setFaults(undefined);
  const reading = [...new Set(queries)].filter((text) => /^(SELECT|UPDATE)/.test(text));
  expect(reading.length).toBeGreaterThan(4);
  const claims = reading.filter((text) => text.includes('fence_token + 1'));
  expect(claims).toHaveLength(1);
  for (const query of reading) {
    const plan = await explain(query.replaceAll('?', "'large'"));
    expect(plan, query).toContain('migration_checkpoints');
    expect(plan, query).not.toMatch(/SCAN migration_checkpoints/);
    // A claim goes straight to the first of each status, however many there are of another.
    if (claims.includes(query)) expect(plan.match(/table_name=\? AND status=\?/g), plan).toHaveLength(3);
  }
  // What looks at all of them would be noticed.
  expect(await explain("SELECT id FROM migration_checkpoints WHERE owner = 'x'")).toMatch(
    /SCAN migration_checkpoints/,
  );
});
