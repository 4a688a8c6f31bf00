import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { typeForms } from '../../src/d1/values/declared-forms.ts';
import { defaultColumnType } from '../../src/d1/values/choose-forms.ts';
import {
  builtInTypes,
  extensionTypes,
  type TypeRule,
  typeRules,
} from '../../src/postgres/types/types-table.ts';
import { codecOf, type TypeFacts } from '../../src/postgres/types/types.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** A row of the table in `docs/types.md`, made from the code. */
function documented({ names, type, note, lost }: TypeRule, isRule: boolean): string[] {
  const shown = names.map((name) => (isRule ? name : `\`${name}\``)).join(', ');
  if (type === 'as below it') return [shown, type, '', note ?? '', '', lost ?? 'nothing'];
  const form = typeForms[type];
  const column = defaultColumnType(type);
  const forms = new Set([...form.alternatives, ...(column === 'TEXT' ? [] : ['text'])]);
  const alternatives = [...forms].map((name) => `\`${name}\``).join(', ');
  return [shown, `\`${type}\``, column, note ?? form.stored, alternatives, lost ?? form.lost ?? 'nothing'];
}

test('the table in docs/types.md is the table in the code', () => {
  const text = readFileSync(new URL('../../docs/types.md', import.meta.url), 'utf8');
  const section = text.slice(text.indexOf('| PostgreSQL'), text.indexOf('## Another form'));
  const rows = section
    .trim()
    .split('\n')
    .slice(2)
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  expect(rows).toEqual([
    ...[...builtInTypes, ...extensionTypes].map((row) => documented(row, false)),
    ...typeRules.map((row) => documented(row, true)),
  ]);
});

test('every form that the table offers is described, and the other way round', () => {
  const text = readFileSync(new URL('../../docs/types.md', import.meta.url), 'utf8');
  const section = text.slice(text.indexOf('| form'), text.indexOf('## Floats'));
  const offered = new Set(Object.values(typeForms).flatMap(({ alternatives }) => alternatives));
  for (const form of offered) {
    const shown = {
      '{ scaled }': '{ scaled: n }',
      '{ epoch, rounding }': "{ epoch: 'ms', rounding: 'floor' }",
    }[form];
    expect(section, form).toContain(`\`${shown ?? form}\``);
  }
});

test('every type of a real PostgreSQL has a row, or a rule for its kind', async () => {
  const { rows } = await world.pool.query<{
    name: string;
    kind: string;
    array: boolean;
    element: string | null;
  }>(
    `SELECT t.typname AS name, t.typtype AS kind, t.typoutput = 'array_out'::regproc AS array, e.typname AS element
     FROM pg_type AS t LEFT JOIN pg_type AS e ON e.oid = t.typelem
     WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype <> 'p'`,
  );
  expect(rows.length).toBeGreaterThan(250);
  const facts = (name: string, kind: string): TypeFacts => ({
    name,
    kind,
    schema: 'pg_catalog',
    element: null,
  });
  const unknown = rows
    .filter(({ name, kind, array, element }) => {
      const inner = array ? { ...facts(element ?? '', 'b'), delimiter: ',' } : null;
      return codecOf({ ...facts(name, kind), element: inner }).type === 'other';
    })
    .map(({ name }) => name);
  expect(unknown).toEqual([]);
  // And nothing in the table that PostgreSQL does not have.
  const known = new Set(rows.map(({ name }) => name));
  expect(builtInTypes.flatMap(({ names }) => names).filter((name) => !known.has(name))).toEqual([]);
});

test('a type is known by its catalog, not by its name alone; an unknown one goes as its text', async () => {
  await world.postgres(
    'CREATE EXTENSION isn',
    `CREATE TYPE "int4" AS ENUM ('one')`,
    `CREATE TYPE "jsonb" AS (a int)`,
    'CREATE DOMAIN positive AS bigint CHECK (VALUE > 0)',
    'CREATE DOMAIN small AS positive NOT NULL CHECK (VALUE < 100)',
    'CREATE DOMAIN smalls AS small[]',
    'CREATE TABLE named (id int PRIMARY KEY, e public.int4, j public.jsonb, i isbn13, s small, l smalls, c "char")',
    `INSERT INTO named VALUES (1, 'one', '(1)', '978-0-393-04002-9', 7, '{1,99}', 'x')`,
  );
  const { columns } = await world.source('named').describe();
  expect(columns.map(({ name, type, nullable }) => [name, type, nullable])).toEqual([
    ['id', 'integer', false],
    ['e', 'text', true],
    ['j', 'text', true],
    ['i', 'other', true],
    ['s', 'integer', true],
    ['l', 'array', true],
    ['c', 'text', true],
  ]);
  await using migrator = new ResumableMigrator({ source: world.source('named'), sink: world.rest('named') });
  await migrator.run();
  expect(await world.d1('SELECT * FROM named')).toEqual([
    { id: 1, e: 'one', j: '(1)', i: '978-0-393-04002-9', s: 7, l: '[1,99]', c: 'x' },
  ]);
});
