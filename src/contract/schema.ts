import type { LogicalType } from './rows.ts';

/**
 * What a source's table declares beside the names and types of its columns. Columns stand by the names under which they
 * travel. What refers to a column that does not travel is left out of the lists, and told of in `others`.
 */
export interface TableSchema {
  /** Columns that have something to say; the others are left out. */
  readonly columns: readonly ColumnSchema[];
  /** Unique and other indexes; not the one of the key by which the rows travel. */
  readonly indexes: readonly IndexSchema[];
  readonly checks: readonly CheckSchema[];
  readonly foreignKeys: readonly ForeignKeySchema[];
  /** What no field above has a place for: an exclusion constraint, a trigger, an index of a kind of its own. */
  readonly others: readonly OtherSchema[];
}

/** What a column declares beside its type. */
export interface ColumnSchema {
  readonly name: string;
  readonly default: SchemaExpression | null;
  /** The expression that computes the column; its values travel as those of any other. */
  readonly generated: SchemaExpression | null;
  /** True: the source counts the values of this column up by itself. */
  readonly counted: boolean;
}

/** An index, or a unique constraint. */
export interface IndexSchema {
  readonly name: string;
  readonly unique: boolean;
  readonly parts: readonly IndexPart[];
  /** Columns that the index holds beside its parts, so that a query need not read the row. */
  readonly included: readonly string[];
  /** A partial index: only rows for which this holds are in it. */
  readonly where: SchemaExpression | null;
  /** False: of rows with a null in a unique index there can be only one. */
  readonly nullsDistinct: boolean;
  /** The source's own statement, for messages. */
  readonly text: string;
}

/** One part of an index. */
export interface IndexPart {
  readonly expression: SchemaExpression;
  readonly descending: boolean;
}

/** A condition that every row fulfils. */
export interface CheckSchema {
  readonly name: string;
  readonly expression: SchemaExpression;
}

/** What happens to a row when the row that it refers to goes or changes its key. */
export type ForeignKeyAction = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';

/** A reference to rows of another table. */
export interface ForeignKeySchema {
  readonly name: string;
  readonly columns: readonly string[];
  readonly references: {
    /** The table's plain name. */
    readonly table: string;
    /** The `identity` by which its own source describes it. */
    readonly identity: string;
    readonly columns: readonly string[];
  };
  readonly onDelete: ForeignKeyAction;
  readonly onUpdate: ForeignKeyAction;
  /** True: checked at the end of a transaction. */
  readonly deferred: boolean;
  /** True: the table refers to itself. */
  readonly toItself: boolean;
  /** The source's own text of it, for messages. */
  readonly text: string;
}

/** Something that is named only, so that nobody misses it unknowingly. */
export interface OtherSchema {
  /** `exclusion constraint`, `trigger`, `index`: a word for messages. */
  readonly kind: string;
  readonly name: string;
  /** The source's own text of it. */
  readonly text: string;
}

/** An expression of the source's, and what it means where that is known. */
export interface SchemaExpression {
  /** As the source writes it. */
  readonly text: string;
  /** Null: it has no meaning outside the source. */
  readonly meaning: Expression | null;
}

/**
 * An expression that every sink may understand, in three-valued logic as SQL has it. Values are canonical text, as in
 * rows in transit; texts are equal where all their characters are.
 */
export type Expression =
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'literal'; readonly type: LogicalType; readonly value: string | null }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly operands: readonly Expression[] }
  | { readonly kind: 'call'; readonly function: FunctionName; readonly operands: readonly Expression[] };

/** `in`: the first operand is one of the others. */
export type Operator =
  '=' | '<>' | '<' | '<=' | '>' | '>=' | 'and' | 'or' | 'not' | 'is null' | 'is not null' | 'in';

/** `length` is in characters; `now` is the moment of writing. */
export type FunctionName = 'length' | 'abs' | 'coalesce' | 'now';
