/**
 * Dates and timestamps. With ISO, UTC and no year beyond four digits PostgreSQL's text is canonical but for a blank
 * and an offset; only what is before year 1 or after 9999 takes the longer way.
 */

const blank = 0x20;
const letterC = 0x43;

/** `2026-02-28`; `0044-03-15 BC` becomes `-0043-03-15`, and `12345-01-01` becomes `+12345-01-01`. */
export function isoDate(text: string): string {
  return text.length === 10 ? text : expanded(text, '');
}

/** `2026-01-02 03:04:05.5` becomes `2026-01-02T03:04:05.5`. */
export function isoTimestamp(text: string): string {
  return text.charCodeAt(10) === blank && text.charCodeAt(text.length - 1) !== letterC
    ? `${text.slice(0, 10)}T${text.slice(11)}`
    : expanded(text, '');
}

/** `2026-01-02 03:04:05.5+00` becomes `2026-01-02T03:04:05.5Z`. */
export function isoTimestamptz(text: string): string {
  return text.charCodeAt(10) === blank && text.charCodeAt(text.length - 1) !== letterC
    ? `${text.slice(0, 10)}T${text.slice(11, -3)}Z`
    : expanded(text, 'Z');
}

function expanded(text: string, zone: string): string {
  if (text.endsWith('infinity')) return text;
  const isBefore = text.endsWith(' BC');
  const [date = '', time] = text.split(' ');
  const dash = date.indexOf('-');
  const year = Number(date.slice(0, dash));
  // ISO 8601 has a year 0, which is 1 BC.
  const astronomical = isBefore ? 1 - year : year;
  const digits = String(Math.abs(astronomical)).padStart(4, '0');
  const sign = astronomical < 0 ? '-' : astronomical > 9999 ? '+' : '';
  const rest = time === undefined || time === 'BC' ? '' : `T${time.replace('+00', '')}${zone}`;
  return `${sign}${digits}${date.slice(dash)}${rest}`;
}

/** The way back, for keys: PostgreSQL does not read ISO 8601 years outside 1 to 9999. */
export function fromIso(text: string): string {
  if (text.endsWith('infinity')) return text;
  const dash = text.indexOf('-', 1);
  const year = Number(text.slice(0, dash));
  if (year >= 1 && year <= 9999) return text;
  const shown = String(year < 1 ? 1 - year : year).padStart(4, '0');
  return `${shown}${text.slice(dash).replace('T', ' ').replace('Z', '+00')}${year < 1 ? ' BC' : ''}`;
}
