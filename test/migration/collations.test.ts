import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.postgres(
    `CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    `CREATE COLLATION upper_first (provider = icu, locale = 'und-u-kf-upper')`,
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** A table whose text key takes upper and lower case for equal: words in both, and with accents. */
async function createWords(table: string, collation: string): Promise<void> {
  await world.postgres(
    `CREATE TABLE ${table} (word text COLLATE ${collation} PRIMARY KEY, n int)`,
    `INSERT INTO ${table} SELECT CASE i % 4 WHEN 0 THEN upper(w) WHEN 1 THEN w WHEN 2 THEN initcap(w) ELSE 'é' || w END, i
      FROM (SELECT i, chr(97 + i % 26) || 'x' || i AS w FROM generate_series(1, 900) AS i) AS words`,
  );
}

const settings = { checkpointSize: 70, batchSize: 23, pageSize: 31 };

test.each(['caseless', 'upper_first'])(
  'text keys in the collation %s are copied in pieces, and verified in full',
  async (collation) => {
    const table = `words_${collation}`;
    await createWords(table, collation);
    let pauses = 0;
    for (;;) {
      const { status } = await world.migrator(table, settings).run({ budget: { batches: 9 } });
      if (status === 'completed') break;
      pauses += 1;
    }
    expect(pauses).toBeGreaterThan(3);
    expect(await world.sinkRows(table, 'n')).toEqual(await world.sourceRows(table, 'n'));
    expect(await world.migrator(table, settings).verify({ mode: 'full' })).toMatchObject({
      equal: true,
      rows: 900,
    });
    const rows = await world.d1(
      `SELECT count(*) AS checkpoints, sum(records_processed) AS n FROM migration_checkpoints WHERE table_name = '${table}'`,
    );
    expect(rows).toEqual([{ checkpoints: 13, n: 900 }]);
    const { findings } = await world.migrator(table, settings).plan();
    expect(findings.map(({ code }) => code)).toEqual(collation === 'caseless' ? ['KEY_COLLATION'] : []);
  },
);

test('a key that becomes an equal one is a second row in D1 after a new copy; full repair takes the first away', async () => {
  await createWords('renamed', 'caseless');
  await world.migrator('renamed', settings).run();
  await world.postgres(`UPDATE renamed SET word = upper(word) WHERE n = 1`);
  const migrator = world.migrator('renamed', settings);
  await migrator.reset();
  await migrator.run();
  // What the finding declares:
  expect(await world.d1('SELECT word FROM renamed WHERE n = 1 ORDER BY word')).toEqual([
    { word: 'BX1' },
    { word: 'bx1' },
  ]);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({
    equal: false,
    counts: { extra: 1, missing: 0, different: 0 },
  });
  expect(await migrator.repair({ mode: 'full' })).toMatchObject({ after: { equal: true } });
  expect(await world.sinkRows('renamed', 'n')).toEqual(await world.sourceRows('renamed', 'n'));
});

test('a unique index of another collation does not make keys unique that the column takes for equal', async () => {
  await world.postgres(
    'CREATE TABLE twofold (word text COLLATE caseless NOT NULL, n int)',
    'CREATE UNIQUE INDEX ON twofold (word COLLATE "C")',
    `INSERT INTO twofold VALUES ('a', 1), ('A', 2), ('b', 3)`,
  );
  // Paged in the column's order, one of the two would be passed over.
  const page = await world.pool.query(`SELECT n FROM twofold WHERE word > 'a' ORDER BY word`);
  expect(page.rows).toEqual([{ n: 3 }]);
  await expect(world.migrator('twofold', { source: { key: ['word'] } }).run()).rejects.toMatchObject({
    code: 'SOURCE_KEY_NOT_UNIQUE',
  });
  await world.postgres(`DELETE FROM twofold WHERE n = 2`, 'CREATE UNIQUE INDEX ON twofold (word)');
  await world.migrator('twofold', { source: { key: ['word'] } }).run();
  expect(await world.sinkRows('twofold', 'n')).toEqual(await world.sourceRows('twofold', 'n'));
});

test('an index of another collation makes a plain key unique, but does not serve its order', async () => {
  await world.postgres(
    'CREATE TABLE served (word text COLLATE "C" NOT NULL, n int)',
    'CREATE UNIQUE INDEX ON served (word COLLATE upper_first)',
    `INSERT INTO served SELECT 'w' || i, i FROM generate_series(1, 25000) AS i`,
    'ANALYZE served',
  );
  const plan = async (): Promise<string[]> => {
    const { findings } = await world.migrator('served', { source: { key: ['word'] } }).plan();
    // That D1 does not get the second index is said as well.
    return findings.map(({ code }) => code).filter((code) => code !== 'NOT_CARRIED');
  };
  expect(await plan()).toEqual(['KEY_NOT_INDEXED']);
  await world.postgres('CREATE INDEX ON served (word)');
  expect(await plan()).toEqual([]);
});

test('another order of the keys, or another version of what orders them, stops a plan that was begun', async () => {
  await createWords('reordered', 'upper_first');
  await world.migrator('reordered', settings).run({ budget: { batches: 3 } });
  await world.postgres('ALTER TABLE reordered ALTER COLUMN word TYPE text COLLATE "C"');
  const image = await world.d1Contents();
  await expect(world.migrator('reordered', settings).run()).rejects.toMatchObject({
    code: 'PLAN_MISMATCH',
    message: expect.stringMatching(
      /keyOrder was word public\.upper_first \(icu und-u-kf-upper [\d.]+\), now word pg_catalog\."C" \(libc C\)/,
    ) as string,
  });
  expect(await world.d1Contents()).toEqual(image);
  await world.postgres('ALTER TABLE reordered ALTER COLUMN word TYPE text COLLATE upper_first');
  // An upgrade of the library between two runs, as the stored plan remembers it.
  await world.d1(
    `UPDATE migration_checkpoints SET plan = replace(plan, 'und-u-kf-upper 1', 'und-u-kf-upper 0.1') WHERE table_name = 'reordered' AND seq = 1`,
  );
  await expect(world.migrator('reordered', settings).run()).rejects.toMatchObject({
    code: 'PLAN_MISMATCH',
    message: expect.stringContaining(
      'keyOrder was word public.upper_first (icu und-u-kf-upper 0.1',
    ) as string,
  });
  await world.d1(
    `UPDATE migration_checkpoints SET plan = replace(plan, 'und-u-kf-upper 0.1', 'und-u-kf-upper 1') WHERE table_name = 'reordered' AND seq = 1`,
  );
  expect(await world.migrator('reordered', settings).run()).toMatchObject({ status: 'completed' });
  expect(await world.sinkRows('reordered', 'n')).toEqual(await world.sourceRows('reordered', 'n'));
});

test('the order of a key is described alike over a pool and over a Kysely instance, and integers have none', async () => {
  await world.postgres(
    'CREATE TABLE by_default (word text, n int, u uuid, PRIMARY KEY (n, word))',
    'CREATE TABLE by_number (n int PRIMARY KEY)',
    `INSERT INTO by_default SELECT 'w' || i, i FROM generate_series(1, 30000) AS i`,
  );
  const described = await world.source('by_default').describe();
  const { rows } = await world.pool.query<{ provider: string; version: string | null }>(
    `SELECT datlocprovider AS provider, pg_database_collation_actual_version(oid) AS version FROM pg_database WHERE datname = current_database()`,
  );
  const provider = { b: 'builtin', c: 'libc', i: 'icu' }[rows[0]?.provider ?? ''];
  expect(described.settings['keyOrder']).toMatch(/^word pg_catalog\."default" \(\w+ /);
  expect(described.settings['keyOrder']).toContain(`(${provider} `);
  if (rows[0]?.version) expect(described.settings['keyOrder']).toContain(` ${rows[0].version})`);
  const db = new Kysely<Record<string, Record<string, unknown>>>({
    dialect: new PostgresDialect({ pool: world.pool }),
  });
  const overKysely = new PostgresKeysetSource({ db, table: 'by_default' });
  expect(await overKysely.describe()).toEqual(described);
  const migrator = new ResumableMigrator({ source: overKysely, sink: world.rest('by_default') });
  expect((await migrator.plan()).strategy).toEqual(
    await world.source('by_default').rangeStrategy({ size: 50_000, after: null }),
  );
  expect((await world.source('by_number').describe()).settings).toEqual({});
});
