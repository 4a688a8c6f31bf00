import { expect, test } from 'vitest';
import { PostgresKeysetSource } from 'resumable-migrator/postgres';

/** As pg says them, and the sockets of Workers, which have no codes. */
test.each([
  'Connection terminated unexpectedly',
  'timeout exceeded when trying to connect',
  'Client has encountered a connection error and is not queryable',
  'Network connection lost.',
  'proxy request failed, cannot connect to the specified address',
  'Connection refused',
  'Query read timeout',
])('a connection that is lost may come back: %s', async (message) => {
  const pool = { connect: () => Promise.reject(new Error(message)) };
  const source = new PostgresKeysetSource({ pool, table: 't' });
  await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true });
});

test('what is not known to pass does not', async () => {
  const pool = { connect: () => Promise.reject(new Error('the driver is not what it was')) };
  const source = new PostgresKeysetSource({ pool, table: 't' });
  await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_FAILED', retryable: false });
});

test.each(['ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'ECONNABORTED', 'ERR_STREAM_DESTROYED'])(
  'a network that is away may come back: %s',
  async (code) => {
    const pool = { connect: () => Promise.reject(Object.assign(new Error('no'), { code })) };
    const source = new PostgresKeysetSource({ pool, table: 't' });
    await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true });
  },
);

test('of several addresses that were tried, the one with a known reason counts', async () => {
  const tries = ['EWHAT', 'ECONNREFUSED'].map((code) => Object.assign(new Error(code), { code }));
  const error = Object.assign(new AggregateError(tries), { code: 'EWHAT' });
  const source = new PostgresKeysetSource({ pool: { connect: () => Promise.reject(error) }, table: 't' });
  await expect(source.describe()).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE', retryable: true });
});
