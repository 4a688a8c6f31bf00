/**
 * A value as JSON text, where JSON holds it exactly: `JSON.stringify` would turn `NaN` into null, drop functions, and make `{}` of a Map.
 * These are null here. A text is JSON text already, and checked.
 */
export function jsonText(value: unknown): string | null {
  if (typeof value !== 'string') return written(value, 0);
  try {
    JSON.parse(value);
  } catch {
    return null;
  }
  return value.isWellFormed() ? value : null;
}

/** Deeper values are refused: SQLite reads JSON of 1,000 levels, and a value that contains itself has no end. */
const deepest = 900;

function written(value: unknown, depth: number): string | null {
  if (depth > deepest) return null;
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? JSON.stringify(value) : null;
    case 'number':
      return Number.isFinite(value) ? (Object.is(value, -0) ? '-0' : String(value)) : null;
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'object':
      return value === null ? 'null' : writtenObject(value, depth);
    default:
      return null;
  }
}

function writtenObject(value: object, depth: number): string | null {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : `"${value.toISOString()}"`;
  const parts: string[] = [];
  if (Array.isArray(value)) {
    // Not entries(): a hole in an array is undefined, and refused like it.
    for (let index = 0; index < value.length; index += 1) {
      const part = written(value[index], depth + 1);
      if (part === null) return null;
      parts.push(part);
    }
    return `[${parts.join(',')}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return null;
  for (const [name, entry] of Object.entries(value)) {
    const part = name.isWellFormed() ? written(entry, depth + 1) : null;
    if (part === null) return null;
    parts.push(`${JSON.stringify(name)}:${part}`);
  }
  return `{${parts.join(',')}}`;
}
