import { sql } from 'kysely';
import type { CallContext } from '../contract/index.ts';
import type { D1Connection, Row } from './connection.ts';

/**
 * Whether the statements of a batch are one transaction. A binding promises it. An HTTP endpoint is asked, and nothing
 * is written: the pragma `defer_foreign_keys` lasts for one transaction, so the second statement sees what the
 * first one set only where both are in the same.
 */
export async function isAtomic(connection: D1Connection, context?: CallContext): Promise<boolean> {
  if (!connection.overRest) return true;
  const results = await connection.batch(
    [sql`PRAGMA defer_foreign_keys = on`, sql`PRAGMA defer_foreign_keys`],
    context,
  );
  const [seen] = (results[1]?.results ?? []) as Row[];
  return Number(seen?.['defer_foreign_keys']) === 1;
}
