import type { Expression, LogicalType, Operator } from '../../contract/index.ts';
import { classOf } from './expression-types.ts';
import type { TypeCodec } from '../types/types.ts';

/** A column that an expression may name. */
export interface ExpressionColumn {
  /** As PostgreSQL names it; `VALUE` stands for the value of a domain. */
  readonly source: string;
  /** The name that it travels by. */
  readonly name: string;
  /** The type below its domains, as `format_type` writes it without a modifier. */
  readonly type: string;
  readonly codec: TypeCodec;
  /** True: two values are equal where their canonical texts are. */
  readonly comparable: boolean;
  /** False: a value with nulls inside may be null and not null at once. */
  readonly plainNull: boolean;
  /** Characters of a `char(n)`; null for other types. */
  readonly characters: number | null;
}

/** An expression and its type in PostgreSQL. */
export interface TypedExpression {
  readonly meaning: Expression;
  readonly type: string;
}

/** Thrown at whatever is not known for certain. */
export class UnknownMeaning extends Error {}

/** A condition made of operands. */
export function operation(operator: Operator, operands: readonly Expression[]): TypedExpression {
  return { meaning: { kind: 'operation', operator, operands }, type: 'boolean' };
}

/** An operand that is true, false or unknown. */
export function condition({ meaning, type }: TypedExpression): Expression {
  if (type !== 'boolean') throw new UnknownMeaning();
  return meaning;
}

/** A `char(n)` is stored with its blanks, and compared as if neither side had any. */
export function padded(meaning: Expression, characters: number | null): Expression {
  if (meaning.kind !== 'literal' || characters === null) throw new UnknownMeaning();
  if (meaning.value === null) return meaning;
  const text = meaning.value.replace(/ +$/, '');
  return { ...meaning, value: text + ' '.repeat(Math.max(0, characters - Array.from(text).length)) };
}

/** A constant cast to a type, in the canonical text of that type. */
export function literalAs(
  literal: Expression & { readonly kind: 'literal' },
  type: string,
  target: string,
  codec: TypeCodec,
): Expression {
  if (literal.value === null) return { kind: 'literal', type: codec.type, value: null };
  if (type === 'unknown') {
    const value = codec.canonical ? codec.canonical(literal.value) : literal.value;
    return { kind: 'literal', type: codec.type, value };
  }
  const numbers: readonly LogicalType[] = ['integer', 'decimal', 'float'];
  const widened =
    numbers.indexOf(codec.type) >= numbers.indexOf(literal.type) && numbers.includes(literal.type);
  const sameText = classOf(type) === 'text' && classOf(target) === 'text';
  if (!widened && !sameText && type !== target) throw new UnknownMeaning();
  const isFloat = codec.type === 'float' && widened;
  return {
    kind: 'literal',
    type: codec.type,
    value: isFloat ? String(Number(literal.value)) : literal.value,
  };
}
