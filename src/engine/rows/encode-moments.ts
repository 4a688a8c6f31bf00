/**
 * Dates and times in canonical text. A text is taken where it is canonical but for zeros at the end of a second's
 * digits and of a year (`toISOString()` writes both); a `Date` is its moment in UTC.
 */

const datePattern = /^([+-]\d{4,6}|[+-]\d{7}|\d{4})-(\d\d)-(\d\d)$/;
const timePattern = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/;
const offsetPattern = /^(.*)([+-])(\d\d)(?::([0-5]\d)(?::([0-5]\d))?)?$/;
const intervalPattern =
  /^P(?=.)(?:-?\d+Y)?(?:-?\d+M)?(?:-?\d+D)?(?:T(?=.)(?:-?\d+H)?(?:-?\d+M)?(?:-?\d+(?:\.\d{1,6})?S)?)?$/;

export function dateText(value: unknown): string | null {
  if (isInfinity(value)) return value;
  if (value instanceof Date) {
    const [date, time] = partsOf(value);
    return time === '00:00:00.000' ? canonicalDate(date) : null;
  }
  return typeof value === 'string' ? canonicalDate(value) : null;
}

export function timestampText(value: unknown): string | null {
  return moment(value, '');
}

export function timestamptzText(value: unknown): string | null {
  return moment(value, 'Z');
}

export function timeText(value: unknown): string | null {
  return typeof value === 'string' ? canonicalTime(value, true) : null;
}

export function timetzText(value: unknown): string | null {
  const parts = typeof value === 'string' ? offsetPattern.exec(value) : null;
  const time = canonicalTime(parts?.[1] ?? '', true);
  if (!parts || time === null || Number(parts[3]) > 15) return null;
  const [, , sign, hours, minutes = '00', seconds] = parts;
  // PostgreSQL writes minutes and seconds where they are not zero.
  const rest =
    seconds !== undefined && seconds !== '00'
      ? `:${minutes}:${seconds}`
      : minutes === '00'
        ? ''
        : `:${minutes}`;
  return `${time}${sign}${hours}${rest}`;
}

export function intervalText(value: unknown): string | null {
  return isInfinity(value) || (typeof value === 'string' && intervalPattern.test(value)) ? value : null;
}

function isInfinity(value: unknown): value is string {
  return value === 'infinity' || value === '-infinity';
}

function moment(value: unknown, zone: '' | 'Z'): string | null {
  if (isInfinity(value)) return value;
  if (value instanceof Date) {
    const [date, time] = partsOf(value);
    return joined(canonicalDate(date), canonicalTime(time, false), zone);
  }
  if (typeof value !== 'string' || value.endsWith('Z') !== (zone === 'Z')) return null;
  const [date = '', time = '', rest] = (zone === 'Z' ? value.slice(0, -1) : value).split('T');
  if (rest !== undefined) return null;
  return joined(canonicalDate(date), canonicalTime(time, false), zone);
}

function joined(date: string | null, time: string | null, zone: string): string | null {
  return date === null || time === null ? null : `${date}T${time}${zone}`;
}

/** Date and time of a Date in UTC; empty texts where it is none. */
function partsOf(date: Date): [string, string] {
  if (Number.isNaN(date.getTime())) return ['', ''];
  const [day = '', time = ''] = date.toISOString().slice(0, -1).split('T');
  return [day, time];
}

function canonicalDate(text: string): string | null {
  const parts = datePattern.exec(text);
  if (!parts) return null;
  const year = Number(parts[1]);
  const [month, day] = [Number(parts[2]), Number(parts[3])];
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return null;
  const sign = year < 0 ? '-' : year > 9_999 ? '+' : '';
  return `${sign}${String(Math.abs(year)).padStart(4, '0')}${text.slice(-6)}`;
}

function daysOf(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** @param endOfDay - 24:00:00 is a time of its own. */
function canonicalTime(text: string, endOfDay: boolean): string | null {
  const parts = timePattern.exec(text);
  if (!parts) return null;
  const [, hours, minutes, seconds, digits = ''] = parts;
  const fraction = digits.replace(/0+$/, '');
  const isEnd = hours === '24' && minutes === '00' && seconds === '00' && fraction === '';
  const isTime = Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 60;
  if (!isTime && !(isEnd && endOfDay)) return null;
  return `${hours}:${minutes}:${seconds}${fraction === '' ? '' : `.${fraction}`}`;
}
