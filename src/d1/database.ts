/**
 * The little of a D1 database that this package needs. A Worker's binding (`env.DB`) fits, and so does
 * {@link D1RestDatabase}; no type of the Workers runtime is needed to compile against it.
 */
export interface D1DatabaseLike {
  /** A statement that is not run yet. */
  prepare(sql: string): D1StatementLike;
  /** Runs the statements in their order. */
  batch(statements: D1StatementLike[]): Promise<D1ResultLike[]>;
}

/** A database over the REST API, as connections tell it from a binding: by what it has, so that a binding needs no client. */
export interface RemoteDatabase extends D1DatabaseLike {
  readonly overRest: true;
  /** Says which database this is, without credentials. */
  readonly identity: string;
  /** The same database; its requests end with the signal. @param waited - told of waiting for the quota. */
  withSignal(signal: AbortSignal, waited?: (milliseconds: number) => void): D1DatabaseLike;
}

/** True for a {@link RemoteDatabase}, false for a binding. */
export function isRemote(database: D1DatabaseLike): database is RemoteDatabase {
  // A binding may be a stub that seems to have everything; it says `true` to nothing.
  return 'overRest' in database && database.overRest === true;
}

/** A prepared statement with its parameters. */
export interface D1StatementLike {
  /** The same statement with these parameters. */
  bind(...values: unknown[]): D1StatementLike;
  /** Runs it. */
  all(): Promise<D1ResultLike>;
}

/** What a statement answered. */
export interface D1ResultLike {
  readonly results: unknown[];
  readonly meta: { readonly changes?: number | undefined };
}
