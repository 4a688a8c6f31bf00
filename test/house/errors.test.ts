import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isMigratorError, MigratorError } from 'resumable-migrator';
import { errorCodes } from 'resumable-migrator/report';
import { ofSinks } from '../../src/engine/planning/refusals.ts';
import { meanings } from '../../src/engine/planning/value-check.ts';

test('docs/errors.md lists every code with its meaning', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| `([A-Z_]+)` +\| (.*?) +\|/gm)].map(([, code, meaning]) => [
    code,
    meaning,
  ]);
  expect(Object.fromEntries(listed)).toEqual(errorCodes);
});

test('what is kept of the codes beside them, so that not all are loaded, is the same', () => {
  const codes = Object.keys(errorCodes);
  expect(codes.filter((code) => ofSinks.test(code))).toEqual(
    codes.filter((code) => code.startsWith('SINK_')),
  );
  expect(errorCodes).toMatchObject(meanings);
});

test('an error of another installed copy is recognised', () => {
  const foreign = Object.assign(new Error('x'), { [Symbol.for('resumable-migrator.error')]: true });
  expect(isMigratorError(foreign)).toBe(true);
  expect(isMigratorError(new Error('x'))).toBe(false);
  expect(isMigratorError(null)).toBe(false);
});

test('an error says where it happened, and keeps its facts when its place is added', () => {
  const cause = new Error('below');
  const error = new MigratorError('SINK_UNREACHABLE', 'No answer.', {
    help: 'Wait.',
    retryable: true,
    ambiguous: true,
    retryAfterMs: 5,
    cause,
  });
  const placed = error.with({ migration: 'm', checkpoint: 3, key: ['eu', '42'] });
  expect(placed.message).toBe('No answer. (migration "m", checkpoint 3, key (eu, 42))');
  expect(placed).toMatchObject({
    code: 'SINK_UNREACHABLE',
    help: 'Wait.',
    retryable: true,
    ambiguous: true,
    retryAfterMs: 5,
    cause,
  });
  expect(placed.with({ key: ['x'] }).message).toBe('No answer. (migration "m", checkpoint 3, key x)');
});
