/**
 * The little of a D1 database that this package needs. A Worker's binding (`env.DB`) fits, and so does
 * {@link D1RestDatabase}; no type of the Workers runtime is needed to compile against it.
 */
export interface D1DatabaseLike {
  prepare(sql: string): D1StatementLike;
  batch(statements: D1StatementLike[]): Promise<D1ResultLike[]>;
}

/** A prepared statement with its parameters. */
export interface D1StatementLike {
  bind(...values: unknown[]): D1StatementLike;
  all(): Promise<D1ResultLike>;
}

/** What a statement answered. */
export interface D1ResultLike {
  readonly results: unknown[];
  readonly meta: { readonly changes?: number | undefined };
}
