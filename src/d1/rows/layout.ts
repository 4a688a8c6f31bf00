/** How the values of a column stand in a row, and what the statement makes of them: numbers, as the writer asks for every value. */
export const kinds = {
  /** Digits of a whole number, in a field. */
  integer: 0,
  /** 1 or 0 for true or false, in a field. */
  boolean: 1,
  /** Digits of a double, in a field. */
  float: 2,
  /** Digits of a double without the point, as many behind it in every row: a whole number of up to 15 digits, and a power of ten. */
  scaled: 3,
  /** A text of nearly the same length in every row, in a field: ASCII without quotes, backslashes or a space at its end. */
  short: 4,
  /** Any text, behind the fields. */
  text: 5,
  /** Hexadecimal digits of bytes, behind the fields. */
  hex: 6,
  /** JSON of a number that no plain digits stand for, behind the fields. */
  json: 7,
} as const;

/** Of a column of whole numbers, one of whose values may be none. */
export const notWhole = 2;

/** True: the values stand behind the fields of their row. */
export const isBehind = (kind: number): boolean => kind >= kinds.text;

/**
 * Where the values of a row stand: first its fields, each as wide in every row of a batch, filled up with spaces, then its texts. A number
 * is its own field. A text has a field with its length in bytes, and, where it is not the first, one that says how far behind the fields
 * it begins.
 */
export class Layout {
  readonly kinds: Uint8Array;
  /** The first field of each column. */
  readonly fields: Int32Array;
  /** Bytes of each field, and where it begins. */
  readonly widths: Int32Array;
  readonly offsets: Int32Array;
  /** Digits behind the point, of each column of {@link kinds.scaled}. */
  readonly scales: Uint8Array;
  /** For each column its kind, where its first field begins, how wide that is, and its scale: what is asked for with every value. */
  readonly plan: Int32Array;
  /** Bytes of all fields of a row. */
  readonly bytes: number;
  /** The columns whose values stand behind the fields. */
  readonly texts: readonly number[];
  /** True: there are some, so that the rows are not of one length. */
  readonly hasTexts: boolean;

  /** @param widths - 1 each where left out. */
  constructor(
    columnKinds: Uint8Array,
    widths?: Int32Array,
    scales: Uint8Array = new Uint8Array(columnKinds.length),
  ) {
    this.kinds = columnKinds;
    this.scales = scales;
    let fields = 0;
    const texts: number[] = [];
    this.fields = Int32Array.from(columnKinds, (kind, column) => {
      const field = fields;
      fields += isBehind(kind) && texts.length > 0 ? 2 : 1;
      if (isBehind(kind)) texts.push(column);
      return field;
    });
    this.texts = texts;
    this.hasTexts = texts.length > 0;
    this.widths = widths ?? new Int32Array(fields).fill(1);
    let bytes = 0;
    this.offsets = this.widths.map((width) => {
      bytes += width;
      return bytes - width;
    });
    this.bytes = bytes;
    this.plan = new Int32Array(columnKinds.length * 4);
    for (const [column, field] of this.fields.entries())
      this.plan.set(
        [columnKinds[column], this.offsets[field], this.widths[field], scales[column]] as number[],
        column * 4,
      );
  }

  /** The same with fields that are as wide as those of another, where the values stand in the same way. */
  with(other: Layout | null): Layout {
    if (!other || this.kinds.some((kind, column) => kind !== other.kinds[column])) return this;
    const or = (others: ArrayLike<number>) => (own: number, index: number) =>
      Math.max(own, others[index] as number);
    return new Layout(this.kinds, this.widths.map(or(other.widths)), this.scales.map(or(other.scales)));
  }

  /** The same, to be changed. */
  copy(): Layout {
    return new Layout(this.kinds.slice(), this.widths.slice(), this.scales.slice());
  }

  /** The field that says where the text of a column begins, or -1 where it is right behind the fields. */
  startField(column: number): number {
    const next = this.fields[column + 1] ?? this.widths.length;
    const field = this.fields[column] as number;
    return next - field === 2 ? field + 1 : -1;
  }
}
