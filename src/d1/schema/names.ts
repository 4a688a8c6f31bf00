/** Names that D1 and SQLite keep for themselves. Those of columns are free. */
export function isReserved(name: string): boolean {
  return /^(_cf_|sqlite_)/i.test(name);
}
