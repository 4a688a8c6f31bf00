import type { Expression, Operator } from '../../contract/index.ts';
import { codecOf, type TypeCodec } from '../types/types.ts';
import { classOf, comparable, literalTypes, ordered } from './expression-types.ts';
import {
  condition,
  type ExpressionColumn,
  literalAs,
  operation,
  padded,
  type TypedExpression,
  UnknownMeaning,
} from './expression-parts.ts';
import { type Token, tokensOf } from './expression-tokens.ts';

/** What a type's name may go on with. */
const typeWords: ReadonlySet<string> = new Set(['precision', 'varying', 'without', 'with', 'time', 'zone']);

const flipped: Readonly<Record<string, Operator>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

/**
 * What a text of `pg_get_expr` means, or null where that is not certain. The text must have been made with
 * `pg_catalog` as the whole search path, so that a name without a schema is PostgreSQL's own.
 */
export function meaningOf(text: string, columns: readonly ExpressionColumn[]): TypedExpression | null {
  const tokens = tokensOf(text);
  if (!tokens) return null;
  try {
    return new Parser(tokens, columns).parse();
  } catch (error) {
    if (error instanceof UnknownMeaning) return null;
    throw error;
  }
}

/** Reads what PostgreSQL deparses, which puts nearly everything into parentheses. */
class Parser {
  readonly #tokens: readonly Token[];
  readonly #columns: readonly ExpressionColumn[];
  #next = 0;

  constructor(tokens: readonly Token[], columns: readonly ExpressionColumn[]) {
    this.#tokens = tokens;
    this.#columns = columns;
  }

  parse(): TypedExpression {
    const parsed = this.#or();
    if (this.#next < this.#tokens.length || parsed.type === 'unknown') throw new UnknownMeaning();
    return parsed;
  }

  #or(): TypedExpression {
    return this.#chain('or', () => this.#chain('and', () => this.#not()));
  }

  #chain(operator: 'and' | 'or', operand: () => TypedExpression): TypedExpression {
    const first = operand();
    const operands = [first];
    while (this.#word(operator)) operands.push(operand());
    return operands.length === 1 ? first : operation(operator, operands.map(condition));
  }

  #not(): TypedExpression {
    return this.#word('not') ? operation('not', [condition(this.#not())]) : this.#comparison();
  }

  #comparison(): TypedExpression {
    const left = this.#cast();
    if (this.#word('is')) return this.#isNull(left);
    const operator = this.#operator();
    if (operator === null) return left;
    if (operator === '=' && this.#word('any')) return this.#in(left);
    if (operator === '<>' && this.#word('all')) return operation('not', [this.#in(left).meaning]);
    return this.#compare(operator, left, this.#cast());
  }

  #isNull(operand: TypedExpression): TypedExpression {
    const operator = this.#word('not') ? 'is not null' : 'is null';
    if (!this.#word('null') || this.#columnOf(operand)?.plainNull === false) throw new UnknownMeaning();
    return operation(operator, [operand.meaning]);
  }

  /** `= ANY (ARRAY[...])`, which is how IN is written. */
  #in(left: TypedExpression): TypedExpression {
    this.#expect('(');
    const elements = this.#array();
    this.#expect(')');
    const values = elements.map((element) => this.#comparand('=', left, element));
    if (values.length === 0) throw new UnknownMeaning();
    return operation('in', [left.meaning, ...values]);
  }

  /** `ARRAY[...]`, which may be cast to an array of another type as a whole. */
  #array(): TypedExpression[] {
    const inParentheses = this.#symbol('(');
    if (!this.#word('array')) throw new UnknownMeaning();
    this.#expect('[');
    let elements = this.#list(']');
    if (inParentheses) this.#expect(')');
    while (this.#symbol('::')) {
      const type = this.#type();
      if (!type.endsWith('[]')) throw new UnknownMeaning();
      elements = elements.map((element) => this.#castTo(element, type.slice(0, -2)));
    }
    return elements;
  }

  #list(end: string): TypedExpression[] {
    const list: TypedExpression[] = [];
    if (this.#symbol(end)) return list;
    do list.push(this.#or());
    while (this.#symbol(','));
    this.#expect(end);
    return list;
  }

  #compare(operator: Operator, left: TypedExpression, right: TypedExpression): TypedExpression {
    // A literal on the left is compared the other way round: there is one form of it for every reader.
    if (left.meaning.kind === 'literal' && right.meaning.kind !== 'literal')
      return this.#compare(flipped[operator] ?? operator, right, left);
    return operation(operator, [left.meaning, this.#comparand(operator, left, right)]);
  }

  /** The right side of a comparison, where it certainly means what it means in PostgreSQL. */
  #comparand(operator: Operator, left: TypedExpression, right: TypedExpression): Expression {
    const type = classOf(left.type);
    if (type !== classOf(right.type)) throw new UnknownMeaning();
    const sides = [left, right].map((side) => this.#columnOf(side));
    if (sides.some((column) => column?.comparable === false)) throw new UnknownMeaning();
    if (operator !== '=' && operator !== '<>') {
      if (!ordered.has(type)) throw new UnknownMeaning();
      return right.meaning;
    }
    if (type === 'character') return padded(right.meaning, sides[0]?.characters ?? null);
    const own = sides.find((column) => column?.type === left.type);
    if (!comparable.has(type) && !own) throw new UnknownMeaning();
    return right.meaning;
  }

  #cast(): TypedExpression {
    let operand = this.#primary();
    while (this.#symbol('::')) operand = this.#castTo(operand, this.#type());
    return operand;
  }

  #castTo({ meaning, type }: TypedExpression, target: string): TypedExpression {
    if (meaning.kind === 'literal')
      return { meaning: literalAs(meaning, type, target, this.#codecOf(target)), type: target };
    if (type === target || (classOf(type) === 'text' && classOf(target) === 'text'))
      return { meaning, type: target };
    const sizes = ['smallint', 'integer', 'bigint'];
    // To a wider integer: the other way it could fail.
    if (sizes.includes(type) && sizes.indexOf(target) > sizes.indexOf(type)) return { meaning, type: target };
    throw new UnknownMeaning();
  }

  #codecOf(type: string): TypeCodec {
    const name = literalTypes.get(type);
    const codec =
      name === undefined
        ? this.#columns.find((column) => column.type === type)?.codec
        : codecOf({ name, schema: 'pg_catalog', kind: 'b', element: null });
    // What is read in another way than by its output function has no literal that is certain.
    if (!codec || codec.select !== null) throw new UnknownMeaning();
    return codec;
  }

  #primary(): TypedExpression {
    if (this.#symbol('(')) {
      const inner = this.#or();
      this.#expect(')');
      return inner;
    }
    const token = this.#tokens[this.#next];
    this.#next += 1;
    switch (token?.kind) {
      case 'string':
        return { meaning: { kind: 'literal', type: 'text', value: token.text }, type: 'unknown' };
      case 'number': {
        const [type, name] = token.text.includes('.')
          ? (['decimal', 'numeric'] as const)
          : (['integer', 'integer'] as const);
        return { meaning: { kind: 'literal', type, value: token.text }, type: name };
      }
      case 'quoted':
        return this.#column(token.text);
      case 'word':
        return this.#named(token.text);
      default:
        throw new UnknownMeaning();
    }
  }

  #named(word: string): TypedExpression {
    const lower = word.toLowerCase();
    const now: Expression = { kind: 'call', function: 'now', operands: [] };
    if (lower === 'null') return { meaning: { kind: 'literal', type: 'text', value: null }, type: 'unknown' };
    if (lower === 'true' || lower === 'false')
      return { meaning: { kind: 'literal', type: 'boolean', value: lower }, type: 'boolean' };
    if (lower === 'current_timestamp') return { meaning: now, type: 'timestamp with time zone' };
    if (!this.#symbol('(')) return this.#column(word);
    const operands = this.#list(')');
    const meanings = operands.map(({ meaning }) => meaning);
    const [first] = operands;
    if (!first) {
      if (lower !== 'now' && lower !== 'transaction_timestamp') throw new UnknownMeaning();
      return { meaning: now, type: 'timestamp with time zone' };
    }
    const { type } = first;
    const oneClass = operands.every((operand) => classOf(operand.type) === classOf(type));
    if (lower === 'coalesce' && oneClass && comparable.has(classOf(type)))
      return { meaning: { kind: 'call', function: 'coalesce', operands: meanings }, type };
    if (operands.length > 1) throw new UnknownMeaning();
    if (['length', 'char_length', 'character_length'].includes(lower) && classOf(type) === 'text')
      return { meaning: { kind: 'call', function: 'length', operands: meanings }, type: 'integer' };
    if (lower === 'abs' && ['integer', 'numeric', 'double precision'].includes(classOf(type)))
      return { meaning: { kind: 'call', function: 'abs', operands: meanings }, type };
    throw new UnknownMeaning();
  }

  #column(source: string): TypedExpression {
    const column = this.#columns.find((one) => one.source === source);
    if (!column || this.#tokens[this.#next]?.text === '.') throw new UnknownMeaning();
    return { meaning: { kind: 'column', name: column.name }, type: column.type };
  }

  #columnOf({ meaning }: TypedExpression): ExpressionColumn | undefined {
    return meaning.kind === 'column' ? this.#columns.find(({ name }) => name === meaning.name) : undefined;
  }

  /** A type's name as `format_type` writes it. One with a modifier would change values, and is not known. */
  #type(): string {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'word' && token?.kind !== 'quoted') throw new UnknownMeaning();
    this.#next += 1;
    let type = token.raw;
    if (this.#symbol('.')) {
      type += `.${this.#tokens[this.#next]?.raw ?? ''}`;
      this.#next += 1;
    } else if (token.kind === 'word') {
      while (typeWords.has(this.#tokens[this.#next]?.raw ?? '')) {
        type += ` ${this.#tokens[this.#next]?.raw ?? ''}`;
        this.#next += 1;
      }
    }
    if (this.#tokens[this.#next]?.text === '(') throw new UnknownMeaning();
    if (type === 'bpchar') type = 'character';
    if (!this.#symbol('[')) return type;
    this.#expect(']');
    return `${type}[]`;
  }

  #operator(): Operator | null {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'symbol' || !Object.hasOwn(flipped, token.text)) return null;
    this.#next += 1;
    return token.text as Operator;
  }

  #word(word: string): boolean {
    const token = this.#tokens[this.#next];
    const isNext = token?.kind === 'word' && token.text.toLowerCase() === word;
    if (isNext) this.#next += 1;
    return isNext;
  }

  #symbol(text: string): boolean {
    const token = this.#tokens[this.#next];
    const isNext = token?.kind === 'symbol' && token.text === text;
    if (isNext) this.#next += 1;
    return isNext;
  }

  #expect(text: string): void {
    if (!this.#symbol(text)) throw new UnknownMeaning();
  }
}
