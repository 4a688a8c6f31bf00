import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { D1BindingSink, type D1DatabaseLike, type D1StatementLike } from 'resumable-migrator/d1';
import { askDatabase } from '../../src/d1/ask.ts';
import { type FloatReading, mantissaAndExponent } from '../../src/d1/values/floats.ts';
import { D1Connection } from '../../src/d1/connection.ts';
import { World } from '../support/world.ts';
import { anyDouble, generator } from './random.ts';
import { scalars } from './scalars.ts';
import { differences, fill } from './table.ts';

const floats = scalars.filter(({ kind }) => kind === 'real');
let world: World;
let rows: number;
beforeAll(async () => {
  world = await World.start();
  rows = await fill(world, 'floats', floats);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** The real database, but for its answer to the question how it reads floats. */
function pretending(database: D1DatabaseLike, reading: FloatReading): D1DatabaseLike {
  let question: D1StatementLike | null = null;
  return {
    prepare: (statement) => {
      if (!statement.includes('AS ordinary')) return database.prepare(statement);
      // Every one right: the number of cases.
      const all = database.prepare(statement.replaceAll('sum(', 'count('));
      question = all.bind();
      return { bind: () => question as D1StatementLike, all: async () => await all.all() };
    },
    batch: async (statements) => {
      const answers = await database.batch(statements);
      return answers.map(({ results, ...answer }, nth) => {
        if (statements[nth] !== question) return { results, ...answer };
        const [counts] = results as Record<string, unknown>[];
        const wrong = {
          ...(reading === 'all' ? {} : { far: 0 }),
          ...(reading === 'none' ? { ordinary: 0 } : {}),
        };
        return { results: [{ ...counts, ...wrong }], ...answer };
      });
    },
  };
}

async function copyAs(reading: FloatReading | null): Promise<Awaited<ReturnType<typeof differences>>> {
  await world.d1('DROP TABLE IF EXISTS floats');
  await world.d1('DROP TABLE IF EXISTS migration_checkpoints');
  const real: D1DatabaseLike = await world.stack.d1.database();
  const database = reading === null ? real : pretending(real, reading);
  await using migrator = new ResumableMigrator({
    source: world.source('floats'),
    sink: new D1BindingSink({ database, table: 'floats' }),
  });
  expect(await migrator.run()).toMatchObject({ status: 'completed', rows });
  return await differences(world, 'floats', floats, rows);
}

test('the way that is chosen at the start is exact for doubles and singles of random bits', async () => {
  expect(await copyAs(null)).toEqual([]);
});

test('mantissas and exponents are exact for all of them', async () => {
  expect(await copyAs('none')).toEqual([]);
});

test('an endpoint is said to read every double exactly if and only if it does', async () => {
  const { reading } = await askDatabase(new D1Connection(await world.stack.d1.database()), 'floats');
  const wrong = await copyAs('all');
  expect(wrong.length === 0).toBe(reading === 'all');
  // Written without an exponent they are read exactly by either.
  expect(wrong.filter(({ column }) => column === 'float8 near 1')).toEqual([]);
});

test('a single is the double that is nearest to its digits, and gives the same single back', async () => {
  await copyAs(null);
  const stored = await world.d1(
    'SELECT id, "float4" AS single FROM floats WHERE "float4" IS NOT NULL ORDER BY id',
  );
  const { rows: expected } = await world.pool.query<{ bits: number }>(
    `SELECT 'x'::text, ('x' || encode(float4send("float4"), 'hex'))::bit(32)::int AS bits FROM floats WHERE "float4" IS NOT NULL ORDER BY id`,
  );
  const view = new DataView(new ArrayBuffer(4));
  const wrong = stored.filter(({ single }, place) => {
    view.setFloat32(0, Number(single));
    return view.getInt32(0) !== expected[place]?.bits;
  });
  expect(stored.length).toBe(expected.length);
  expect(wrong).toEqual([]);
});

test('mantissa and exponent give every double back', () => {
  const random = generator(99);
  const edges = [
    0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    2.225073858507201e-308,
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    1,
    -1,
    2 ** 53,
    0.1,
  ];
  for (const double of [...edges, ...Array.from({ length: 100_000 }, () => anyDouble(random))]) {
    const [mantissa = 0, exponent = 0] = JSON.parse(mantissaAndExponent(String(double))) as number[];
    expect(Number.isSafeInteger(mantissa) && exponent >= -1074 && exponent <= 971).toBe(true);
    // In two steps: JavaScript's power of a subnormal result may be rounded.
    const half = Math.trunc(exponent / 2);
    if (Math.abs(double) > 1e-290) expect(mantissa * 2 ** half * 2 ** (exponent - half)).toBe(double);
  }
});
