/**
 * Whatever the server or the role is set to, the text of a value is the same: ISO dates in UTC, floats with all their digits, bytes in
 * hexadecimal, names without needless quotes.
 */
const texts: Readonly<Record<string, string>> = {
  datestyle: 'ISO, YMD',
  timezone: 'UTC',
  intervalstyle: 'iso_8601',
  bytea_output: 'hex',
  extra_float_digits: '3', // before PostgreSQL 12, 1 was not enough
  quote_all_identifiers: 'off',
  // Else a NULL in an array that is a key would come back as a text, and a host's pool may have set another encoding.
  array_nulls: 'on',
  client_encoding: 'UTF8',
};

/** Nobody's own operators and types come before PostgreSQL's, and a filter finds what it names all the same. */
const catalogFirst =
  "pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', 'pg_catalog', NULLIF(pg_catalog.current_setting('search_path'), '')), true)";

/**
 * The server ends a query within two seconds of the end of its connection, and not when it next has something to send: a count of a large table
 * would go on for nobody. PostgreSQL has the setting since its version 14, and takes it only where the system can tell, as Linux can. What is set already
 * stays.
 */
const endsWithReader =
  "CASE WHEN pg_catalog.version() LIKE '%linux%' AND pg_catalog.current_setting('client_connection_check_interval', true) = '0' THEN pg_catalog.set_config('client_connection_check_interval', '2s', true) END";

/** What every transaction begins with. The settings end with it, so that a host's pool keeps its own. */
export const settings: string = `SELECT ${[
  ...Object.entries(texts).map(([name, value]) => `pg_catalog.set_config('${name}', '${value}', true)`),
  catalogFirst,
  endsWithReader,
].join(', ')}`;
