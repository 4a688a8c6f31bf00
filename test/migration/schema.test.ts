import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Kysely, PostgresDialect } from 'kysely';
import { type Finding, MigrationGroup, type PlanPreview, ResumableMigrator } from 'resumable-migrator';
import type { CarryOver, StoredForm, TableOptions } from 'resumable-migrator/d1';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';

interface CopyOptions {
  readonly carryOver?: 'all' | CarryOver;
  readonly tableOptions?: TableOptions;
  readonly store?: Readonly<Record<string, StoredForm>>;
  readonly to?: string;
}

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await world.postgres('DROP SCHEMA public CASCADE', 'CREATE SCHEMA public');
});

function migratorOf(
  table: string,
  { to = table, ...options }: CopyOptions = {},
  source: Parameters<World['source']>[1] = {},
): ResumableMigrator {
  return new ResumableMigrator({
    source: world.source(table, source),
    sink: world.rest(to, options),
    name: to,
  });
}

/** Plans and copies. What the plan found, without the facts of types. */
async function copy(
  table: string,
  options: CopyOptions = {},
  source: Parameters<World['source']>[1] = {},
): Promise<PlanPreview['findings']> {
  const migrator = migratorOf(table, options, source);
  const { findings } = await migrator.plan();
  expect(await migrator.run()).toMatchObject({ status: 'completed' });
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true });
  return findings.filter(({ code }) => code !== 'TYPE_LOSS');
}

async function createdAs(table: string): Promise<string> {
  const [row] = await world.d1(`SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '${table}'`);
  return String(row?.['sql']);
}

async function indexesOf(table: string): Promise<unknown[]> {
  const rows = await world.d1(
    `SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = '${table}' AND sql IS NOT NULL ORDER BY name`,
  );
  return rows.map((row) => row['sql']);
}

function codes(findings: readonly Finding[]): string[] {
  return findings.map(({ code, severity, message }) => `${severity} ${code} ${message}`);
}

/** A statement that D1 must refuse. */
async function refusedBy(statement: string): Promise<string> {
  return await world.d1(statement).then(
    () => 'was taken',
    (error: unknown) => String(error),
  );
}

const everything = [
  `CREATE TYPE mood AS ENUM ('sad', 'ok')`,
  'CREATE DOMAIN positive AS int CHECK (VALUE > 0)',
  'CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE)',
  `INSERT INTO parents SELECT i, 'p' || i FROM generate_series(1, 10) AS i`,
  `CREATE TABLE things (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    counter serial,
    name text NOT NULL DEFAULT 'it''s "new"',
    price numeric(10,2) DEFAULT 0 CONSTRAINT price_positive CHECK (price >= 0),
    amount positive,
    state varchar(10) DEFAULT 'open' CONSTRAINT known_state CHECK (state IN ('open', 'closed')),
    mood mood DEFAULT 'ok',
    active boolean DEFAULT true,
    made_at timestamptz DEFAULT now(),
    made_on date DEFAULT CURRENT_DATE,
    tags text[] DEFAULT '{}',
    raw bytea DEFAULT '\\x00ff',
    ratio float8 DEFAULT -0.1,
    uid uuid DEFAULT gen_random_uuid(),
    doubled numeric GENERATED ALWAYS AS (price * 2) STORED,
    parent int REFERENCES parents ON DELETE SET NULL ON UPDATE CASCADE,
    parent_code text REFERENCES parents (code) DEFERRABLE INITIALLY DEFERRED,
    previous int REFERENCES things,
    CONSTRAINT name_like CHECK (name ~~ '%'),
    CONSTRAINT name_unique UNIQUE (name),
    UNIQUE NULLS NOT DISTINCT (uid),
    EXCLUDE USING gist (box(point(id, id), point(id, id)) WITH &&)
  )`,
  'CREATE INDEX things_state ON things (state DESC, made_at) INCLUDE (price)',
  'CREATE UNIQUE INDEX things_open ON things (parent) INCLUDE (name) WHERE active AND parent > 5',
  'CREATE UNIQUE INDEX things_lower ON things (lower(name))',
  'CREATE INDEX things_hash ON things USING hash (name)',
  'ALTER TABLE things ADD CONSTRAINT later CHECK (id > 0) NOT VALID',
  `CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
  'CREATE TRIGGER touched BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION noop()',
  `INSERT INTO things (name, amount, price, parent, parent_code, previous)
    SELECT 'n' || i, i, i, i % 10 + 1, 'p' || (i % 10 + 1), NULLIF(i - 1, 0) FROM generate_series(1, 5) AS i`,
  `INSERT INTO things (name, active) SELECT 'm' || i, false FROM generate_series(1, 50) AS i`,
];

describe('what a table declares', () => {
  test('is not carried over unless it is asked for, and the plan says so, once for each kind', async () => {
    await world.postgres(...everything);
    const findings = await copy('things', { to: 'plain' });
    expect(await createdAs('plain')).not.toMatch(/DEFAULT|CHECK|REFERENCES|UNIQUE/);
    expect(await indexesOf('plain')).toEqual([]);
    expect(findings.every(({ code, severity }) => code === 'NOT_CARRIED' && severity === 'info')).toBe(true);
    expect(
      findings.map(({ message }) =>
        message.replace(/The source's table has (.*?) that D1 does not (get|compute).*/, '$1'),
      ),
    ).toEqual([
      '11 defaults',
      '1 counter',
      '4 checks',
      '4 unique indexes',
      '1 index',
      '3 foreign keys',
      '1 generated column',
      '1 index',
      '1 check constraint',
      '1 exclusion constraint',
      '1 trigger',
    ]);
    expect(findings[2]?.message).toContain('known_state, name_like, price_positive, positive_check');
  });

  test('arrives in D1 where it is asked for and has an equal there, and the plan lists the rest with its text', async () => {
    await world.postgres(...everything);
    await copy('parents', { carryOver: { uniques: 'before' } });
    const findings = await copy('things', { carryOver: 'all', store: { price: { scaled: 2 } } });
    expect(await createdAs('things')).toBe(
      [
        'CREATE TABLE "things" ("id" INTEGER NOT NULL PRIMARY KEY, "counter" INTEGER NOT NULL',
        `"name" TEXT NOT NULL DEFAULT 'it''s "new"', "price" INTEGER DEFAULT 0, "amount" INTEGER`,
        `"state" TEXT DEFAULT 'open', "mood" TEXT DEFAULT 'ok', "active" INTEGER DEFAULT 1`,
        `"made_at" TEXT DEFAULT (rtrim(rtrim(strftime('%Y-%m-%dT%H:%M:%f', 'now'), '0'), '.') || 'Z'), "made_on" TEXT`,
        `"tags" TEXT DEFAULT '[]', "raw" BLOB DEFAULT X'00ff', "ratio" REAL DEFAULT -0.1, "uid" TEXT, "doubled" TEXT`,
        '"parent" INTEGER, "parent_code" TEXT, "previous" INTEGER',
        `CONSTRAINT "known_state" CHECK (("state" IN ('open', 'closed')))`,
        'CONSTRAINT "price_positive" CHECK (("price" >= 0))',
        'CONSTRAINT "positive_check" CHECK (("amount" > 0))',
        'CONSTRAINT "things_parent_code_fkey" FOREIGN KEY ("parent_code") REFERENCES "parents" ("code") DEFERRABLE INITIALLY DEFERRED',
        'CONSTRAINT "things_parent_fkey" FOREIGN KEY ("parent") REFERENCES "parents" ("id") ON DELETE SET NULL ON UPDATE CASCADE)',
      ].join(', '),
    );
    expect(await indexesOf('things')).toEqual([
      'CREATE UNIQUE INDEX "name_unique" ON "things" ("name")',
      'CREATE UNIQUE INDEX "things_open" ON "things" ("parent") WHERE ("active" AND ("parent" > 5))',
      'CREATE INDEX "things_state" ON "things" ("state" DESC, "made_at", "price")',
    ]);
    const listed = codes(findings).map((text) => text.replace(/: .*The source has: /s, ': '));
    expect(listed).toEqual([
      'warning NOT_TRANSLATED D1 does not get the counter of counter: a sequence or an identity column',
      'warning NOT_TRANSLATED D1 does not get the default of made_on: CURRENT_DATE',
      'warning NOT_TRANSLATED D1 does not get the default of uid: gen_random_uuid()',
      "warning NOT_TRANSLATED D1 does not get the check name_like: (name ~~ '%'::text)",
      'warning NOT_TRANSLATED D1 does not get the unique index things_lower: CREATE UNIQUE INDEX things_lower ON public.things USING btree (lower(name))',
      'warning NOT_TRANSLATED D1 does not get the unique index things_uid_key: CREATE UNIQUE INDEX things_uid_key ON public.things USING btree (uid) NULLS NOT DISTINCT',
      'warning NOT_TRANSLATED D1 does not get the foreign key things_previous_fkey: FOREIGN KEY (previous) REFERENCES public.things(id)',
      "info DEFAULT_PRECISION D1's clock counts milliseconds at the most: the default of made_at is less precise than the source's.",
      'info NOT_CARRIED The unique index things_open holds name beside its key in the source; in D1 it does not.',
      "info NOT_CARRIED The source's table has 1 generated column that D1 does not compute: doubled.",
      "info NOT_CARRIED The source's table has 1 index that D1 does not get: things_hash.",
      "info NOT_CARRIED The source's table has 1 check constraint that D1 does not get: later.",
      "info NOT_CARRIED The source's table has 1 exclusion constraint that D1 does not get: things_box_excl.",
      "info NOT_CARRIED The source's table has 1 trigger that D1 does not get: touched.",
    ]);
    // And it does there what it did.
    await world.d1(`INSERT INTO things (counter) VALUES (100)`);
    const [made] = await world.d1(`SELECT *, hex(raw) AS hex FROM things WHERE counter = 100`);
    expect(made).toMatchObject({
      name: `it's "new"`,
      price: 0,
      state: 'open',
      active: 1,
      tags: '[]',
      hex: '00FF',
      ratio: -0.1,
    });
    expect(String(made?.['made_at'])).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,2}[1-9])?Z$/);
    expect(await refusedBy(`UPDATE things SET price = -1`)).toContain(
      'CHECK constraint failed: price_positive',
    );
    expect(await refusedBy(`UPDATE things SET state = 'other'`)).toContain('CHECK constraint failed');
    expect(await refusedBy(`UPDATE things SET name = 'n1' WHERE id = 2`)).toContain(
      'UNIQUE constraint failed',
    );
    expect(await refusedBy(`UPDATE things SET parent = 99 WHERE id = 1`)).toContain(
      'FOREIGN KEY constraint failed',
    );
  });

  test("the clock as a default counts in the unit of its column, and not at all where PostgreSQL's depends on a zone", async () => {
    await world.postgres(
      `CREATE TABLE clocks (id int PRIMARY KEY, s timestamptz DEFAULT now(), ms timestamptz DEFAULT CURRENT_TIMESTAMP, us timestamptz DEFAULT now(),
        local timestamp DEFAULT now(), day date DEFAULT now(), rounded timestamptz(3) DEFAULT now(), other timestamptz DEFAULT clock_timestamp())`,
    );
    const store = { s: 'epoch-s', ms: 'epoch-ms', us: 'epoch-us' } as const;
    const findings = await copy('clocks', { carryOver: { defaults: true }, store });
    expect(findings.map(({ code, column }) => [code, column])).toEqual([
      ['NOT_TRANSLATED', 'local'],
      ['NOT_TRANSLATED', 'day'],
      ['NOT_TRANSLATED', 'rounded'],
      ['NOT_TRANSLATED', 'other'],
      ['DEFAULT_PRECISION', 's'],
      ['DEFAULT_PRECISION', 'ms'],
      ['DEFAULT_PRECISION', 'us'],
    ]);
    await world.d1('INSERT INTO clocks (id) VALUES (1)');
    const [row] = await world.d1(
      `SELECT *, typeof(s) || typeof(ms) || typeof(us) AS types, unixepoch() AS now FROM clocks`,
    );
    expect(row).toMatchObject({
      types: 'integerintegerinteger',
      local: null,
      day: null,
      rounded: null,
      other: null,
    });
    // The same day, counted in three units.
    const days = [Number(row?.['s']), Number(row?.['ms']) / 1e3, Number(row?.['us']) / 1e6].map((seconds) =>
      Math.abs(Math.trunc((seconds - Number(row?.['now'])) / 86_400)),
    );
    expect(days).toEqual([0, 0, 0]);
  });

  test('is read alike over a pool and over a Kysely instance, whatever the search path', async () => {
    await world.postgres(
      ...everything,
      'CREATE SCHEMA hidden',
      'CREATE FUNCTION hidden.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT NULL::timestamptz $$',
    );
    const db = new Kysely<Record<string, Record<string, unknown>>>({
      dialect: new PostgresDialect({ pool: world.pool }),
    });
    const over = await world.source('things').describe();
    expect(over.schema?.checks).toHaveLength(4);
    expect(await new PostgresKeysetSource({ db, table: 'things' }).describe()).toEqual(over);
    const url = new URL(world.stack.env.DATABASE_URL);
    url.searchParams.set(
      'options',
      '-c search_path=hidden,pg_catalog,public -c standard_conforming_strings=off',
    );
    await using elsewhere = new PostgresKeysetSource({ connectionString: url.href, table: 'things' });
    expect((await elsewhere.describe()).schema).toEqual(over.schema);
  });

  test('speaks of columns by the names under which they travel, and leaves out what a missing column belongs to', async () => {
    await world.postgres(
      'CREATE TABLE renamed (id int PRIMARY KEY, a int CHECK (a > 1), b int, UNIQUE (a), UNIQUE (b), CHECK (a < b))',
      'CREATE INDEX renamed_both ON renamed (a) WHERE b > 0',
      'INSERT INTO renamed SELECT i, i + 1, i + 2 FROM generate_series(1, 20) AS i',
    );
    const findings = await copy('renamed', { carryOver: 'all' }, { columns: { id: true, a: 'b' } });
    expect(await createdAs('renamed')).toBe(
      'CREATE TABLE "renamed" ("id" INTEGER NOT NULL PRIMARY KEY, "b" INTEGER, CONSTRAINT "renamed_a_check" CHECK (("b" > 1)))',
    );
    expect(await indexesOf('renamed')).toEqual(['CREATE UNIQUE INDEX "renamed_a_key" ON "renamed" ("b")']);
    expect(findings.map(({ message }) => message)).toEqual([
      "The source's table has 1 unique index that D1 does not get: renamed_b_key.",
      "The source's table has 1 index that D1 does not get: renamed_both.",
      "The source's table has 1 check constraint that D1 does not get: renamed_check.",
    ]);
  });

  test('the primary key is carried as a unique index where the rows travel by another key', async () => {
    await world.postgres(
      'CREATE TABLE other_key (id int PRIMARY KEY, a int NOT NULL, b text NOT NULL, UNIQUE (a, b))',
      `INSERT INTO other_key SELECT i, i % 7, 'b' || i FROM generate_series(1, 50) AS i`,
    );
    await copy('other_key', { carryOver: 'all' }, { key: ['a', 'b'] });
    expect(await createdAs('other_key')).toContain('PRIMARY KEY ("a", "b")');
    expect(await indexesOf('other_key')).toEqual([
      'CREATE UNIQUE INDEX "other_key_pkey" ON "other_key" ("id")',
    ]);
  });

  test('a unique index is made only where D1 takes for equal what PostgreSQL does', async () => {
    await world.postgres(
      `CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
      `CREATE TABLE equal (id int PRIMARY KEY, t text UNIQUE, ci text COLLATE nocase UNIQUE, n numeric UNIQUE, scaled numeric UNIQUE,
        fixed numeric(10,2) UNIQUE, j jsonb UNIQUE, c char(3) UNIQUE, i interval UNIQUE, f real UNIQUE, floored timestamp UNIQUE, at timestamptz UNIQUE, r int4range UNIQUE)`,
      `INSERT INTO equal (id, t) SELECT i, 't' || i FROM generate_series(1, 30) AS i`,
    );
    await copy('equal', {
      carryOver: { uniques: 'after' },
      store: { scaled: { scaled: 3 }, floored: { epoch: 's', rounding: 'floor' } },
    });
    const made = (await indexesOf('equal')).map((sql) => /\("(\w+)"\)/.exec(String(sql))?.[1]);
    // Two reals are equal where their digits are; the other types may have several texts for one value.
    expect(made).toEqual(['at', 'c', 'fixed', 'scaled', 't']);
  });
});

describe('foreign keys', () => {
  test('are left out where D1 has no such table, or no unique key there, and named by another name on request', async () => {
    await world.postgres(
      'CREATE TABLE far (id int PRIMARY KEY)',
      'INSERT INTO far VALUES (1)',
      'CREATE TABLE near (id int PRIMARY KEY, far int REFERENCES far)',
      'INSERT INTO near VALUES (1, 1), (2, NULL)',
    );
    expect(codes(await copy('near', { to: 'near_1', carryOver: { foreignKeys: true } })).join()).toContain(
      'D1 has no table far now',
    );
    await world.d1('CREATE TABLE far (id INTEGER)');
    expect(codes(await copy('near', { to: 'near_2', carryOver: { foreignKeys: true } })).join()).toContain(
      'no unique key of the columns id',
    );
    await world.d1('CREATE TABLE far_text (id TEXT PRIMARY KEY)');
    expect(
      codes(await copy('near', { to: 'near_3', carryOver: { foreignKeys: { far: 'far_text' } } })).join(),
    ).toContain('another type');
    for (const to of ['near_1', 'near_2', 'near_3'])
      expect(await world.d1(`SELECT * FROM pragma_foreign_key_list('${to}')`)).toEqual([]);
    await copy('far', { to: 'far_off' });
    expect(await copy('near', { to: 'near_4', carryOver: { foreignKeys: { far: 'far_off' } } })).toEqual([]);
    expect(await world.d1(`SELECT "table", "from", "to" FROM pragma_foreign_key_list('near_4')`)).toEqual([
      { table: 'far_off', from: 'far', to: 'id' },
    ]);
  });
});

test('a group makes the parents first, so that the foreign keys of their children have what they refer to', async () => {
  await world.postgres(
    'CREATE TABLE g_customers (id int PRIMARY KEY)',
    'CREATE TABLE g_orders (id int PRIMARY KEY, customer int REFERENCES g_customers ON DELETE CASCADE)',
    'INSERT INTO g_customers SELECT generate_series(1, 5)',
    'INSERT INTO g_orders SELECT i, i % 5 + 1 FROM generate_series(1, 50) AS i',
  );
  const group = new MigrationGroup();
  for (const table of ['g_orders', 'g_customers'])
    group.add({ source: world.source(table), sink: world.rest(table, { carryOver: 'all' }) });
  expect(await group.run()).toMatchObject({ status: 'completed' });
  expect(await world.d1(`SELECT "table", on_delete FROM pragma_foreign_key_list('g_orders')`)).toEqual([
    { table: 'g_customers', on_delete: 'CASCADE' },
  ]);
});

describe('indexes', () => {
  test('of one name in two schemas, and of a name that D1 keeps for itself, get the name of their table before theirs', async () => {
    await world.postgres(
      'CREATE SCHEMA two',
      'CREATE TABLE one_a (id int PRIMARY KEY, v int)',
      'CREATE TABLE two.one_b (id int PRIMARY KEY, v int)',
      'CREATE INDEX same ON one_a (v)',
      'CREATE INDEX same ON two.one_b (v)',
      'CREATE INDEX _cf_x ON one_a (v DESC)',
      'INSERT INTO one_a VALUES (1, 1)',
      'INSERT INTO two.one_b VALUES (1, 1)',
    );
    expect(await copy('one_a', { carryOver: { indexes: 'before' } })).toEqual([]);
    expect(await copy('two.one_b', { to: 'one_b', carryOver: { indexes: 'after' } })).toEqual([]);
    expect(await indexesOf('one_a')).toEqual([
      'CREATE INDEX "one_a__cf_x" ON "one_a" ("v" DESC)',
      'CREATE INDEX "same" ON "one_a" ("v")',
    ]);
    expect(await indexesOf('one_b')).toEqual(['CREATE INDEX "one_b_same" ON "one_b" ("v")']);
    await world.postgres('DROP SCHEMA two CASCADE');
  });

  test('are made in a table that was there already, and another index of their name is kept and named', async () => {
    await world.postgres(
      'CREATE TABLE there (id int PRIMARY KEY, v int, w int)',
      'CREATE INDEX there_v ON there (v)',
      'CREATE INDEX there_w ON there (w)',
      'INSERT INTO there VALUES (1, 1, 1)',
    );
    await world.d1('CREATE TABLE there (id INTEGER PRIMARY KEY, v INTEGER, w INTEGER)');
    await world.d1('CREATE INDEX there_v ON there (v DESC)');
    const findings = await copy('there', { carryOver: { indexes: 'after', checks: true } });
    expect(findings.map(({ code }) => code)).toEqual(['INDEX_EXISTS']);
    expect(await indexesOf('there')).toEqual([
      'CREATE INDEX there_v ON there (v DESC)',
      'CREATE INDEX "there_w" ON "there" ("w")',
    ]);
    // Nothing is left to make, and the plan of another run is silent about what stands as it should.
    expect((await migratorOf('there', { carryOver: { indexes: 'after' } }).plan()).findings).toHaveLength(1);
  });

  test('that were asked for are made by the run that finds everything copied, where the process died before', async () => {
    await world.postgres(
      'CREATE TABLE late (id int PRIMARY KEY, v int)',
      'CREATE INDEX late_v ON late (v)',
      'INSERT INTO late SELECT i, i FROM generate_series(1, 100) AS i',
    );
    const sink = world.rest('late', { carryOver: 'all' });
    const dying = {
      checkpoints: sink.checkpoints,
      prepare: async (...args: Parameters<typeof sink.prepare>) => {
        const target = await sink.prepare(...args);
        expect(target.statements?.map((text) => text.split(' (')[0])).toEqual([
          'CREATE TABLE IF NOT EXISTS "late"',
          'CREATE INDEX IF NOT EXISTS "late_v" ON "late"',
        ]);
        Object.assign(target, { finish: () => Promise.reject(new Error('the process died')) });
        return target;
      },
    };
    await expect(new ResumableMigrator({ source: world.source('late'), sink: dying }).run()).rejects.toThrow(
      'the process died',
    );
    expect(await indexesOf('late')).toEqual([]);
    expect(
      await world.d1(`SELECT DISTINCT status FROM migration_checkpoints WHERE table_name = 'late'`),
    ).toEqual([{ status: 'completed' }]);
    const again = migratorOf('late', { carryOver: 'all' });
    expect(await again.run()).toMatchObject({ status: 'completed', rows: 0 });
    expect(await indexesOf('late')).toEqual(['CREATE INDEX "late_v" ON "late" ("v")']);
  });
});

describe('table options', () => {
  test('make a strict table and one without rowids, which take every type', async () => {
    await world.postgres(
      'CREATE TABLE typed (id bigint PRIMARY KEY, f float8, n numeric, t text, b bytea, flag boolean, at timestamptz)',
      `INSERT INTO typed SELECT 9007199254740993 + i, i / 3.0, i / 7.0, 't', decode(lpad(to_hex(i), 4, '0'), 'hex'), i % 2 = 0, now() FROM generate_series(1, 200) AS i`,
    );
    await copy('typed', { tableOptions: { strict: true, withoutRowid: true } });
    expect(await createdAs('typed')).toMatch(/\) STRICT, WITHOUT ROWID$/);
    expect(await refusedBy(`INSERT INTO typed (id, f) VALUES (1, 'x')`)).toContain(
      'cannot store TEXT value in REAL column',
    );
  });

  test('that cannot work are refused before anything is asked', async () => {
    await world.postgres('CREATE TABLE floats (id int PRIMARY KEY, k int NOT NULL UNIQUE, f float8)');
    const strict = migratorOf('floats', { tableOptions: { strict: true }, store: { f: { nan: 'text' } } });
    await expect(strict.run()).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    const keyless = migratorOf(
      'floats',
      { tableOptions: { withoutRowid: true } },
      { key: ['k'], columns: ['id', 'f'] },
    );
    await expect(keyless.run()).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect(await createdAs('floats')).toBe('undefined');
  });
});

describe('names', () => {
  test('that D1 refuses or takes for one another keep a run from beginning, and the plan lists them', async () => {
    const wide = Array.from({ length: 101 }, (_, index) => `c${index} int`).join(', ');
    await world.postgres(
      'CREATE TABLE twins (id int PRIMARY KEY, a int, "A" int, "ä" int, "Ä" int)',
      `CREATE TABLE wide (${wide}, PRIMARY KEY (c0))`,
      'INSERT INTO twins VALUES (1, 1, 1, 1, 1)',
      'INSERT INTO wide (c0) VALUES (1)',
    );
    const before = await world.d1Contents();
    for (const [table, to, code] of [
      ['twins', 'twins', 'NAMES_COLLIDE'],
      ['twins', '_cf_twins', 'NAME_REFUSED'],
      ['twins', 'SQLite_twins', 'NAME_REFUSED'],
      ['wide', 'wide', 'TOO_MANY_COLUMNS'],
    ] as const) {
      const migrator = migratorOf(table, { to });
      const { findings } = await migrator.plan();
      expect(
        findings.filter(({ severity }) => severity === 'error').map((finding) => finding.code),
      ).toContain(code);
      await expect(migrator.run()).rejects.toMatchObject({
        code: 'PLAN_REFUSED',
        message: expect.stringContaining(code) as string,
      });
    }
    expect(await world.d1Contents()).toEqual(before);
    const { findings } = await migratorOf('twins').plan();
    expect(findings.filter(({ severity }) => severity === 'error')).toHaveLength(1);
  });

  test('in mixed case, of reserved words, with quotes and beyond ASCII are carried over everywhere', async () => {
    await world.postgres(
      'CREATE SCHEMA "Other Schema"',
      `CREATE TABLE "Other Schema"."Select ""x"" é" ("Order" int PRIMARY KEY, "group" text DEFAULT 'ä' CONSTRAINT "is it?" CHECK ("group" <> ''), "naïve ""q""" int NOT NULL, "where" int)`,
      `CREATE UNIQUE INDEX "Índex ""1""" ON "Other Schema"."Select ""x"" é" ("naïve ""q""", "where" DESC) WHERE "where" > 3`,
      `INSERT INTO "Other Schema"."Select ""x"" é" SELECT i, 'g' || i, i, i FROM generate_series(1, 60) AS i`,
    );
    const to = 'Select "x" é';
    expect(await copy(to, { to, carryOver: 'all' }, { schema: 'Other Schema' })).toEqual([]);
    expect(await world.d1(`SELECT name, dflt_value FROM pragma_table_info('${to}')`)).toEqual([
      { name: 'Order', dflt_value: null },
      { name: 'group', dflt_value: `'ä'` },
      { name: 'naïve "q"', dflt_value: null },
      { name: 'where', dflt_value: null },
    ]);
    expect(await indexesOf(to)).toEqual([
      `CREATE UNIQUE INDEX "Índex ""1""" ON "Select ""x"" é" ("naïve ""q""", "where" DESC) WHERE ("where" > 3)`,
    ]);
    expect(await createdAs(to)).toContain(`CONSTRAINT "is it?" CHECK (("group" <> ''))`);
    await world.postgres('DROP SCHEMA "Other Schema" CASCADE');
  });
});

describe('other relations', () => {
  test('generated columns, stored and virtual, arrive as values; identity and serial columns as numbers', async () => {
    await world.postgres(
      `CREATE TABLE computed (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED, thrice int GENERATED ALWAYS AS (n * 3))`,
      'INSERT INTO computed (n) SELECT i FROM generate_series(1, 30) AS i',
    );
    const findings = await copy('computed', { carryOver: 'all' });
    expect(codes(findings)).toEqual([
      "info NOT_CARRIED The source's table has 2 generated columns that D1 does not compute: twice, thrice.",
    ]);
    expect(await world.sinkRows('computed', 'id')).toEqual(await world.sourceRows('computed', 'id'));
  });

  test('a partitioned table brings its own constraints, and a partition those that it has from there', async () => {
    await world.postgres(
      'CREATE TABLE p_parent (id int PRIMARY KEY)',
      'INSERT INTO p_parent SELECT generate_series(1, 9)',
      'CREATE TABLE parts (id int, part int NOT NULL, v int CHECK (v > 0), ref int REFERENCES p_parent, PRIMARY KEY (id, part)) PARTITION BY LIST (part)',
      'CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)',
      'CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2)',
      'CREATE INDEX parts_v ON parts (v)',
      'INSERT INTO parts SELECT i, i % 2 + 1, i, i % 9 + 1 FROM generate_series(1, 80) AS i',
      'CREATE TABLE p_child (id int PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES parts)',
      'INSERT INTO p_child VALUES (1, 1, 2)',
    );
    await copy('p_parent');
    expect(await copy('parts', { carryOver: 'all' })).toEqual([]);
    expect(await createdAs('parts')).toMatch(
      /PRIMARY KEY \("id", "part"\), CONSTRAINT "parts_v_check" CHECK \(\("v" > 0\)\), CONSTRAINT "parts_ref_fkey" FOREIGN KEY/,
    );
    expect(await indexesOf('parts')).toEqual(['CREATE INDEX "parts_v" ON "parts" ("v")']);
    expect(await copy('parts_1', { carryOver: 'all' })).toEqual([]);
    expect(await createdAs('parts_1')).toMatch(/CHECK \(\("v" > 0\)\).*FOREIGN KEY/);
    // The catalog has this foreign key once for the table and once for each partition.
    expect(await copy('p_child', { carryOver: 'all' })).toEqual([]);
    expect((await createdAs('p_child')).match(/FOREIGN KEY/g)).toHaveLength(1);
  });

  test('views and materialized views are copied by a given key; only the latter have indexes', async () => {
    await world.postgres(
      'CREATE TABLE base (id int PRIMARY KEY, v int DEFAULT 5 CHECK (v > 0))',
      'INSERT INTO base SELECT i, i FROM generate_series(1, 70) AS i',
      'CREATE VIEW seen AS SELECT id, v * 2 AS w FROM base',
      'CREATE MATERIALIZED VIEW kept AS SELECT id, v FROM base',
      'CREATE UNIQUE INDEX kept_id ON kept (id)',
      'CREATE INDEX kept_v ON kept (v)',
    );
    expect(await copy('seen', { carryOver: 'all' }, { key: ['id'] })).toEqual([]);
    expect(await copy('kept', { carryOver: 'all' }, { key: ['id'] })).toEqual([]);
    expect(await indexesOf('kept')).toEqual(['CREATE INDEX "kept_v" ON "kept" ("v")']);
    expect(await createdAs('seen')).not.toMatch(/CHECK|DEFAULT/);
  });

  test('a table with children is copied with their rows and the plan says so; a key that is there twice is refused', async () => {
    await world.postgres(
      'CREATE TABLE elder (id int PRIMARY KEY, v text)',
      'CREATE TABLE younger (extra int) INHERITS (elder)',
      `INSERT INTO elder SELECT i, 'e' FROM generate_series(1, 20) AS i`,
      `INSERT INTO younger SELECT i, 'y', i FROM generate_series(21, 40) AS i`,
    );
    const findings = await copy('elder');
    expect(findings).toMatchObject([{ code: 'KEY_NOT_UNIQUE_OVER_CHILDREN', severity: 'warning' }]);
    expect(await world.sinkRows('elder', 'id')).toEqual(await world.sourceRows('elder', 'id'));
    await world.postgres(`INSERT INTO younger VALUES (7, 'twice', 1)`);
    await expect(migratorOf('elder').run()).rejects.toMatchObject({ code: 'SOURCE_KEY_NOT_UNIQUE' });
  });

  test('row-level security that hides rows from the user, and what types do not hold in transit, are in the plan', async () => {
    await world.postgres(
      `CREATE TYPE level AS ENUM ('low', 'high')`,
      'CREATE TABLE guarded (id int PRIMARY KEY, level level, price money)',
      'ALTER TABLE guarded ENABLE ROW LEVEL SECURITY',
      'CREATE POLICY only_few ON guarded USING (id < 3)',
      'DROP ROLE IF EXISTS reader',
      `CREATE ROLE reader LOGIN PASSWORD 'reader'`,
      'GRANT USAGE ON SCHEMA public TO reader',
      'GRANT SELECT ON guarded TO reader',
    );
    const owner = await world.source('guarded').describe();
    expect(owner.findings?.map(({ code, column }) => [code, column])).toEqual([
      ['TYPE_LOSS', 'level'],
      ['TYPE_LOSS', 'price'],
    ]);
    expect(owner.schema?.others).toEqual([
      { kind: 'row security policy', name: 'only_few', text: 'USING (id < 3)' },
    ]);
    const url = new URL(world.stack.env.DATABASE_URL);
    Object.assign(url, { username: 'reader', password: 'reader' });
    await using source = new PostgresKeysetSource({ connectionString: url.href, table: 'guarded' });
    expect((await source.describe()).findings?.map(({ code }) => code)).toContain('ROWS_HIDDEN');
  });
});

test('where a transform changes what the schema is about, nothing is carried over, and the plan says so', async () => {
  await world.postgres('CREATE TABLE changed (id int PRIMARY KEY, n int CHECK (n > 0), UNIQUE (n))');
  const findingsWith = async (carryOver: CarryOver | undefined): Promise<string[]> => {
    const migrator = new ResumableMigrator({
      source: world.source('changed'),
      sink: world.rest('changed', { carryOver }),
      transform: { version: '1', map: (row) => row },
    });
    return (await migrator.plan()).findings.map(({ code, severity }) => `${severity} ${code}`);
  };
  expect(await findingsWith({ checks: true })).toEqual(['warning NOT_CARRIED']);
  expect(await findingsWith(undefined)).toEqual([]);
});

test('a run that takes nothing of the schema makes what the plan shows, and has the schema not read', async () => {
  await world.postgres(
    `CREATE TABLE whole (id serial PRIMARY KEY, code text NOT NULL DEFAULT 'x' UNIQUE, n int CHECK (n > 0), twice int GENERATED ALWAYS AS (n * 2) STORED)`,
    'CREATE INDEX whole_n ON whole (n)',
    `INSERT INTO whole (code, n) SELECT 'c' || i, i FROM generate_series(1, 20) AS i`,
  );
  const source = world.source('whole');
  const { schema, findings: _findings, ...described } = await source.describe();
  expect([schema?.indexes.length, schema?.checks.length]).toEqual([2, 1]);
  const brief = await source.describe(undefined, true);
  expect(brief).toEqual({ ...described, schema: undefined, findings: [] });
  const migrator = migratorOf('whole');
  const { statements, findings: planned } = await migrator.plan();
  expect(planned.map(({ code }) => code)).toContain('NOT_CARRIED');
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows: 20 });
  expect(statements).toEqual([
    (await createdAs('whole')).replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS'),
  ]);
  expect(await indexesOf('whole')).toEqual([]);
  expect(await migrator.verify({ mode: 'full' })).toMatchObject({ equal: true, rows: 20 });
});
