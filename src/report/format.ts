import type { KeyRange } from '../contract/index.ts';
import { showKey } from '../errors.ts';

/** `2,210,059`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** `812 bytes`, `9.4 kB`, `88 MB`: three figures at the most. */
export function bytes(value: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let size = value;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1_000;
    unit += 1;
  }
  return `${unit > 0 && size < 9.95 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `41 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1_000);
  const minutes = Math.floor(seconds / 60);
  if (seconds < 60) return `${seconds} s`;
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `0.4 s` where that is short, else like {@link duration}. */
export function elapsed(milliseconds: number): string {
  return milliseconds < 10_000 ? `${(milliseconds / 1_000).toFixed(1)} s` : duration(milliseconds);
}

/** `1 row`, `7 rows`. */
export function counted(value: number, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `2026-11-24 15:45:31 UTC`. */
export function moment(iso: string): string {
  return Number.isNaN(Date.parse(iso))
    ? iso
    : `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `1 to 50000`, `after 7 up to 90`, `up to 12`. */
export function showRange({ lower, upper }: KeyRange): string {
  if (!lower) return `up to ${showKey(upper)}`;
  return lower.inclusive
    ? `${showKey(lower.key)} to ${showKey(upper)}`
    : `after ${showKey(lower.key)} up to ${showKey(upper)}`;
}
