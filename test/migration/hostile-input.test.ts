import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isMigratorError, type MigrationEvents, MigratorError, ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink } from 'resumable-migrator/d1';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Names that a careless program would run, cut, or take for something else. PostgreSQL allows 63 bytes. */
const names = [
  `'; DROP TABLE x; --`,
  `"; DROP TABLE "x"; --`,
  '"',
  '""',
  `'`,
  '`',
  '\\',
  'a\nb',
  'tab\tand\rreturn',
  '😀 ünïcode',
  '\u202Eturned\u202C',
  'a.b',
  '__proto__',
  'constructor',
  'toString',
  'select',
  'order',
  'value',
  'key',
  'source',
  '$1',
  '?1',
  ':name',
  '%s%n%x',
  '${x}',
  ' ',
  '-- ',
  '/*',
  'x'.repeat(63),
  '0',
  'rowid',
  'excluded',
  'c0',
] as const;

/** Values that try the same. */
const values = [
  `'; DROP TABLE x; --`,
  `"],["injected","row"]`,
  `\\"],[\\"`,
  '\u0001\u0008\u001B[2J\u007F\u0085',
  '\u202Eevil\u2028line\u2029',
  '{"__proto__":{"polluted":true}}',
  '',
  ' ',
  'null',
  '1e999',
  '\uFFFF\uFFFD',
  'x'.repeat(10_000),
] as const;

/** What must stay as it is, whatever is copied beside it. */
const bystander = async (): Promise<unknown> => [
  await world.d1('SELECT * FROM x'),
  (await world.pool.query('SELECT * FROM x')).rows,
];

describe('names', () => {
  beforeAll(async () => {
    await world.postgres('CREATE TABLE x (id int PRIMARY KEY, v text)', `INSERT INTO x VALUES (1, 'here')`);
    await world.d1('CREATE TABLE x (id INTEGER PRIMARY KEY, v TEXT)');
    await world.d1(`INSERT INTO x VALUES (1, 'here')`);
  });

  test.each(names.map((name, index) => [JSON.stringify(name).slice(0, 40), name, index] as const))(
    'of tables, columns, keys and migrations: %s',
    async (_, name, index) => {
      const before = await bystander();
      const id = quoted(name);
      const schema = `schema ${index} ${name}`.slice(0, 30);
      await world.postgres(
        `CREATE SCHEMA ${quoted(schema)}`,
        `CREATE TABLE ${quoted(schema)}.${id} (${id} text PRIMARY KEY, "other" text)`,
      );
      await world.pool.query(
        `INSERT INTO ${quoted(schema)}.${id} SELECT v || i, v FROM unnest($1::text[]) WITH ORDINALITY AS u(v, i)`,
        [values],
      );
      const table = `${index} ${name}`;
      const parts = (where: 'rest' | 'binding'): ResumableMigrator<object, object> =>
        new ResumableMigrator({
          source: world.source(name, { schema }),
          sink: world[where](where === 'rest' ? table : `bound ${table}`),
          name: `${where} ${name}`,
          checkpointSize: 5,
          batchSize: 2,
        });
      for (const where of index % 5 === 0 ? (['rest', 'binding'] as const) : (['rest'] as const)) {
        const migrator = parts(where);
        expect((await migrator.plan()).findings.filter(({ severity }) => severity === 'error')).toEqual([]);
        await migrator.run({ budget: { batches: 2 } });
        expect(await parts(where).run()).toMatchObject({ status: 'completed' });
        expect(await migrator.verify({ mode: 'full' })).toMatchObject({
          equal: true,
          rows: values.length,
        });
        expect(await migrator.status()).toMatchObject({ migration: `${where} ${name}`, rows: values.length });
        const stored = quoted(where === 'rest' ? table : `bound ${table}`);
        const inD1 = await world.d1(`SELECT ${id} AS k, "other" AS v FROM ${stored} ORDER BY ${id}`);
        expect(inD1.map(({ k, v }) => `${String(k)}|${String(v)}`).toSorted()).toEqual(
          values.map((value, at) => `${value}${at + 1}|${value}`).toSorted(),
        );
        await world.d1(`UPDATE ${stored} SET "other" = 'changed' WHERE ${id} LIKE 'null%'`);
        expect(await migrator.repair({ mode: 'full' })).toMatchObject({ after: { equal: true } });
        await migrator.reset();
        expect(await migrator.status()).toMatchObject({ rows: 0 });
      }
      expect(await bystander()).toEqual(before);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    },
  );

  test('one that is very long names a migration', async () => {
    const name = 'm'.repeat(10_000);
    const migrator = world.migrator('x', { name });
    expect(await migrator.run()).toMatchObject({ status: 'completed', migration: name });
  });
});

describe('what is shown', () => {
  const hostile = 'k\n✅ Migration completed\r\u001B[2J\u202E\u2066\u2028\u0000\uD800';
  const shown = String.raw`k\u000a✅ Migration completed\u000d\u001b[2J\u202e\u2066\u2028\u0000\ud800`;
  // eslint-disable-next-line no-control-regex
  const steering = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/u;

  test('an error is one line, whatever name, key or message it is made of', () => {
    const error = new MigratorError('SINK_FAILED', hostile, {
      help: hostile,
      migration: hostile,
      key: [hostile],
    });
    expect(error.message).toBe(`${shown} (migration "${shown}", key ${shown})`);
    expect(error.help).toBe(shown);
    expect(error.place).toMatchObject({ migration: hostile, key: [hostile] });
    expect(error.with({ checkpoint: 1 }).message).toBe(
      `${shown} (migration "${shown}", checkpoint 1, key ${shown})`,
    );
  });

  test('no event of an error, no stored reason and no rejection of a run can forge a line', async () => {
    const name = 'forged\n✅ done \u202E';
    const id = quoted(name);
    await world.postgres(
      `CREATE TABLE ${id} (${id} text PRIMARY KEY, v float8)`,
      `INSERT INTO ${id} VALUES (E'a\\n\\u202E✅', 1), (E'b\\n\\u202E✅', 'NaN')`,
    );
    const migrator = new ResumableMigrator({ source: world.source(name), sink: world.rest('forged'), name });
    const messages: string[] = [];
    const listen = (event: keyof MigrationEvents): void => {
      migrator.on(event, (payload) => {
        if ('message' in payload) messages.push(payload.message);
      });
    };
    for (const event of ['checkpoint:failed', 'retry'] as const) listen(event);
    const error: unknown = await migrator.run().catch((reason: unknown) => reason);
    if (!isMigratorError(error)) throw new Error('expected a MigratorError', { cause: error });
    messages.push(error.message, error.help, (error.cause as Error).message);
    const [row] = await world.d1(
      `SELECT error_message FROM migration_checkpoints WHERE status = 'failed' AND table_name LIKE 'forged%'`,
    );
    messages.push(
      String(row?.['error_message']),
      ...(await migrator.status()).failures.map(({ message }) => message),
    );
    expect(messages.length).toBeGreaterThanOrEqual(6);
    for (const message of messages) expect(message).not.toMatch(steering);
    expect(error.message).toContain(String.raw`forged\u000a✅ done \u202e`);
    expect(error.message).toContain(String.raw`b\u000a\u202e✅`);
  });

  test('a text that is not made safe would be noticed', () => {
    expect(hostile).toMatch(steering);
  });

  test("a message of the API's own cannot forge a line either", async () => {
    world.stack.api.setFaults(() => ({ kind: 'status', status: 400, code: 7500, message: hostile }));
    const error: unknown = await world
      .migrator('x', { name: 'api' })
      .run()
      .catch((reason: unknown) => reason);
    world.stack.api.setFaults(undefined);
    if (!isMigratorError(error)) throw new Error('expected a MigratorError', { cause: error });
    expect(error.message).toContain('Migration completed');
    expect(error.message).not.toMatch(steering);
  });
});

test('a sink of a table that D1 keeps for itself is refused', async () => {
  for (const table of ['_cf_KV', 'sqlite_master', 'SQLITE_sequence']) {
    const sink = new D1BindingSink({ database: await world.stack.d1.database(), table });
    const migrator = new ResumableMigrator({ source: world.source('x'), sink, name: `to ${table}` });
    await expect(migrator.run()).rejects.toMatchObject({ code: 'PLAN_REFUSED' });
  }
});
