import type { LogicalType } from '../../contract/index.ts';

/** A moment as whole seconds since 1970 in UTC, rounded down, and the microseconds on top of them. */
interface Moment {
  readonly seconds: number;
  readonly micros: number;
}

/** Ticks of a unit in a second. */
const ticks: Readonly<Record<EpochUnit, number>> = { s: 1, ms: 1_000, us: 1_000_000 };

/** What is counted since 1970-01-01T00:00:00Z: seconds, milliseconds or microseconds. */
export type EpochUnit = 's' | 'ms' | 'us';

/**
 * The digits of a canonical date or timestamp counted in a unit. Null: it is infinite or no date, it does not fit into
 * 64 bits, or it has a rest smaller than the unit and `floor` is false.
 */
export function epochOf(text: string, unit: EpochUnit, floor: boolean): string | null {
  const moment = momentOf(text);
  if (moment === null) return null;
  const { seconds, micros } = moment;
  const perTick = 1_000_000 / ticks[unit];
  if (!floor && micros % perTick !== 0) return null;
  const rest = Math.floor(micros / perTick);
  const sum = seconds * ticks[unit] + rest;
  if (Number.isSafeInteger(sum)) return String(sum);
  const exact = BigInt(seconds) * BigInt(ticks[unit]) + BigInt(rest);
  return BigInt.asIntN(64, exact) === exact ? String(exact) : null;
}

function momentOf(text: string): Moment | null {
  // The year is all before the first hyphen that is not its sign.
  const dash = text.indexOf('-', 1);
  if (dash < 4 || text.charCodeAt(dash - 1) > 0x39) return null;
  const days = daysSince1970(
    Number(text.slice(0, dash)),
    Number(text.slice(dash + 1, dash + 3)),
    Number(text.slice(dash + 4, dash + 6)),
  );
  let seconds = days * 86_400;
  let micros = 0;
  if (text.length > dash + 6) {
    const time = dash + 7;
    const end = text.endsWith('Z') ? text.length - 1 : text.length;
    seconds +=
      Number(text.slice(time, time + 2)) * 3_600 +
      Number(text.slice(time + 3, time + 5)) * 60 +
      Number(text.slice(time + 6, time + 8));
    if (end > time + 8) micros = Number(text.slice(time + 9, end).padEnd(6, '0'));
  }
  return Number.isInteger(seconds) && Number.isInteger(micros) ? { seconds, micros } : null;
}

/** Days of the proleptic Gregorian calendar, for any year: years begin in March here, so that leap days come last. */
function daysSince1970(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The way back: digits of {@link epochOf} as canonical text. */
export function fromEpoch(digits: string, unit: EpochUnit, type: LogicalType): string {
  const perSecond = BigInt(ticks[unit]);
  const value = BigInt(digits);
  const fraction = ((value % perSecond) + perSecond) % perSecond;
  const seconds = Number((value - fraction) / perSecond);
  const days = Math.floor(seconds / 86_400);
  const date = dateOf(days);
  if (type === 'date') return date;
  const ofDay = seconds - days * 86_400;
  const time = [Math.floor(ofDay / 3_600), Math.floor(ofDay / 60) % 60, ofDay % 60];
  const rest = String(fraction)
    .padStart(ticks[unit].toString().length - 1, '0')
    .replace(/0+$/, '');
  const shown = time.map((part) => String(part).padStart(2, '0')).join(':');
  return `${date}T${shown}${rest === '' ? '' : `.${rest}`}${type === 'timestamptz' ? 'Z' : ''}`;
}

function dateOf(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const sign = year < 0 ? '-' : year > 9_999 ? '+' : '';
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${sign}${String(Math.abs(year)).padStart(4, '0')}-${two(month)}-${two(day)}`;
}
