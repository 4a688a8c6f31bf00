import type { Environment } from './configuration.ts';
import type { QueryResult } from './text-table.ts';

interface Answer {
  readonly success: boolean;
  readonly errors: readonly { readonly message: string }[];
  readonly result: readonly { readonly results: QueryResult }[] | null;
}

/**
 * Asks D1 over Cloudflare's REST API, in the plainest way: whoever checks a copy should not do it with the code that
 * made the copy.
 */
export async function queryD1(
  env: Environment,
  sql: string,
  params: readonly string[] = [],
): Promise<QueryResult> {
  const database = `accounts/${env['CLOUDFLARE_ACCOUNT_ID']}/d1/database/${env['D1_DATABASE_ID']}`;
  const response = await fetch(`${env['CLOUDFLARE_API_BASE_URL']}/${database}/raw`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${env['CLOUDFLARE_API_TOKEN']}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ sql, params }),
  });
  const { success, errors, result } = (await response.json()) as Answer;
  const [first] = result ?? [];
  if (!success || !first) throw new Error(`D1: ${errors.map(({ message }) => message).join('; ')}`);
  return first.results;
}
