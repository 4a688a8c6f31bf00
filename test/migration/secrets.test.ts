import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MigrationEvents, ResumableMigrator } from 'resumable-migrator';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';
import { World } from '../support/world.ts';

const everyEvent = [
  'run:start',
  'plan:ready',
  'checkpoint:claimed',
  'checkpoint:completed',
  'checkpoint:failed',
  'checkpoint:lost',
  'batch:committed',
  'progress',
  'retry',
  'wait',
  'run:end',
  'listener:error',
] as const satisfies (keyof MigrationEvents)[];

/** A password that must be percent-encoded in a connection string, so that both forms are looked for. */
const password = 'p@ss/w:rd#planted-7f3a';
let world: World;
let secrets: string[];

beforeAll(async () => {
  world = await World.start();
  secrets = [password, encodeURIComponent(password), world.stack.env.CLOUDFLARE_API_TOKEN, 'planted-7f3a'];
  await world.postgres(
    'CREATE TABLE t (id int PRIMARY KEY, v text)',
    `INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) AS i`,
    `CREATE ROLE planted LOGIN PASSWORD '${password}'`,
    'GRANT SELECT ON ALL TABLES IN SCHEMA public TO planted',
  );
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

function show(value: unknown): string {
  return inspect(value, {
    depth: 20,
    showHidden: true,
    getters: true,
    maxStringLength: null,
    maxArrayLength: null,
  });
}

function databaseUrl(change: (url: URL) => void = () => undefined): string {
  const url = new URL(world.stack.env.DATABASE_URL);
  url.username = 'planted';
  url.password = encodeURIComponent(password);
  change(url);
  return url.href;
}

/** Everything that a host could see of a run: events, the error with all below it, and the stored rows. */
async function outputs(connectionString: string, sink = world.rest('t')): Promise<string> {
  const source = new PostgresKeysetSource({ connectionString, table: 't' });
  await using migrator = new ResumableMigrator({
    source,
    sink,
    checkpointSize: 100,
    retry: { retries: 1, baseMs: 1 },
  });
  const seen: unknown[] = [];
  for (const event of everyEvent) migrator.on(event, (payload) => void seen.push(event, payload));
  await migrator.run().catch((error: unknown) => {
    seen.push(error, String(error), JSON.stringify(error));
    for (let at = error; at instanceof Error; at = at.cause)
      seen.push(at.message, at.stack, Object.entries(at));
  });
  return [...seen, await world.d1Contents()].map(show).join('\n');
}

function planted(text: string): string[] {
  return secrets.filter((secret) => text.includes(secret));
}

test('neither the token nor the password is in any error, event or stored row, whatever goes wrong', async () => {
  const { api, postgres } = world.stack;
  const token = world.stack.env.CLOUDFLARE_API_TOKEN;
  const attempts: [what: string, text: string][] = [];
  const attempt = async (what: string, text: Promise<string>): Promise<void> => {
    attempts.push([what, await text]);
  };
  await attempt('wrong database', outputs(databaseUrl((url) => (url.pathname = '/none'))));
  await attempt('wrong password', outputs(databaseUrl((url) => (url.password = 'planted-7f3a'))));
  await attempt('no server', outputs(databaseUrl((url) => (url.port = '1'))));
  await attempt('no host', outputs(databaseUrl((url) => (url.hostname = 'h.invalid'))));
  await attempt('wrong account', outputs(databaseUrl(), world.rest('t', { accountId: 'x' })));
  await attempt('no API', outputs(databaseUrl(), world.rest('t', { baseUrl: 'http://127.0.0.1:9' })));
  // A server that says the token back.
  const echo = { kind: 'status', status: 400, code: 7500, message: `bad header: Bearer ${token}` } as const;
  api.setFaults(({ sql }) => (sql.some((text) => text.startsWith('INSERT INTO "t"')) ? echo : undefined));
  await attempt('an echo', outputs(databaseUrl()));
  api.setFaults(({ n }) =>
    n % 3 === 0 ? { kind: 'status', status: 500, code: 7500, message: `lost ${token}` } : undefined,
  );
  await attempt('retries', outputs(databaseUrl()));
  api.setFaults(undefined);
  const running = outputs(databaseUrl());
  await postgres.restart('immediate');
  await attempt('a restart', running);
  await attempt('a success', outputs(databaseUrl()));

  for (const [what, text] of attempts) {
    expect(text.length, what).toBeGreaterThan(1000);
    expect(planted(text), what).toEqual([]);
  }
  expect(attempts.at(-1)?.[1]).toMatch(/status: 'completed'/);
});

test('a secret that was let through would be found', () => {
  expect(planted(show({ deep: [new Error(`x ${password}`)] }))).not.toEqual([]);
});

test('nothing of the parts shows a secret when it is printed', () => {
  const source = new PostgresKeysetSource({ connectionString: databaseUrl(), table: 't' });
  const sink = world.rest('t');
  const migrator = new ResumableMigrator({ source, sink });
  expect(planted([source, sink, sink.checkpoints, migrator].map(show).join('\n'))).toEqual([]);
  expect(planted(JSON.stringify([source, sink, migrator]))).toEqual([]);
});
