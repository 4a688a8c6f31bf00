import pg from 'pg';

/**
 * A pool for a server that is stopped soon after `pool.end()`, which does not wait until its connections are gone: the server may
 * still say farewell to one, and an error that a pool emits to nobody would end the process.
 */
export function poolOf(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  pool.on('error', () => undefined);
  return pool;
}
