import type { Finding } from '../../contract/index.ts';
import { NotTranslated } from './translate.ts';

/** What was asked for and is not made. */
export function notTranslated(
  what: string,
  text: string,
  reason: string,
  column: string | null = null,
): Finding {
  return {
    code: 'NOT_TRANSLATED',
    severity: 'warning',
    column,
    message: `D1 does not get the ${what}: ${reason}. The source has: ${text}`,
    help: 'Write it in D1 by hand where it is needed, or leave it out: the rows arrive all the same.',
  };
}

/** What was not asked for: one finding for all of a kind. */
export function notCarried(what: string, names: readonly string[], help: string): Finding[] {
  if (names.length === 0) return [];
  const shown =
    names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
  const counted = `${names.length} ${names.length === 1 ? what : (plurals[what] ?? `${what}s`)}`;
  const message = `The source's table has ${counted} that D1 does not get: ${shown}.`;
  return [{ code: 'NOT_CARRIED', severity: 'info', column: null, message, help }];
}

const plurals: Readonly<Record<string, string>> = {
  index: 'indexes',
  'unique index': 'unique indexes',
  'row security policy': 'row security policies',
};

/** The source's reason, or SQLite's, why something has no equal. */
export function reasonOf(error: unknown): string {
  if (error instanceof NotTranslated) return error.message;
  throw error;
}
