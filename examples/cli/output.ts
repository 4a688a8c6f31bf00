import { styleText } from 'node:util';
import type { Environment } from './configuration.ts';

type Colour = 'green' | 'yellow' | 'red' | 'dim';

/** The part of a terminal or file that is written to. */
export interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Where the command writes. On a terminal the last line can be a progress bar that stays below everything else;
 * elsewhere there are plain lines without any control codes.
 */
export class Output {
  /** True: stdout is a terminal, and a bar can be drawn. */
  readonly live: boolean;
  readonly #out: Stream;
  readonly #errors: Stream;
  readonly #coloured: boolean;
  readonly #secrets: readonly string[];
  #bar = '';

  constructor(env: Environment, out: Stream = process.stdout, errors: Stream = process.stderr) {
    this.#out = out;
    this.#errors = errors;
    this.live = out.isTTY === true && env['TERM'] !== 'dumb';
    this.#coloured = this.live && (env['NO_COLOR'] ?? '') === '';
    this.#secrets = secretsOf(env);
  }

  line(text = ''): void {
    this.#above(this.#out, text);
  }

  /** Goes to stderr. */
  error(text: string): void {
    const coloured = this.#coloured && this.#errors.isTTY === true;
    this.#above(this.#errors, coloured ? styleText('red', text, { validateStream: false }) : text);
  }

  /** Draws the bar anew; null removes it. Does nothing where stdout is no terminal. */
  bar(text: string | null): void {
    if (!this.live) return;
    const next = text === null ? '' : this.#clean(text);
    if (next === this.#bar) return;
    this.#bar = next;
    this.#out.write(`${clearLine}${next}`);
  }

  colour(colour: Colour, text: string): string {
    return this.#coloured ? styleText(colour, text, { validateStream: false }) : text;
  }

  get columns(): number {
    // Some pseudo terminals say 0.
    return this.#out.columns || 80;
  }

  #above(stream: Stream, text: string): void {
    if (this.#bar !== '') this.#out.write(clearLine);
    stream.write(`${this.#clean(text)}\n`);
    if (this.#bar !== '') this.#out.write(this.#bar);
  }

  /** The last barrier: whatever a text was made of, no secret passes, and nothing that steers a terminal. */
  #clean(text: string): string {
    const clean = this.#secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
    return escaped(clean, this.#coloured ? ownCodes : lineBreaks);
  }
}

/** What a text may hold of its own: line breaks, and on a terminal the colours of {@link Output.colour}. */
const lineBreaks = /^\n$/;
// oxlint-disable-next-line no-control-regex
const ownCodes = /^(?:\n|\u001B\[(?:2|22|31|32|33|39)m)$/;

/** Names and keys of tables are made by others: shown in one line, they can neither forge another nor turn this one. */
export function oneLine(text: string): string {
  return escaped(text, /^$/);
}

function escaped(text: string, allowed: RegExp): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/\u001B\[\d+m|[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu, (found) =>
    allowed.test(found)
      ? found
      : found.replace(/^./su, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

const clearLine = '\r\u001B[2K';

/** A secret of a few characters would redact half of every message, and it is none. */
const shortestSecret = 6;

function secretsOf(env: Environment): string[] {
  const secrets = [env['CLOUDFLARE_API_TOKEN']?.trim(), env['PGPASSWORD'], env['DATABASE_URL']?.trim()];
  const url = env['DATABASE_URL']?.trim() ?? '';
  // By the text as well: where a password is not encoded, the address cannot be parsed, or is parsed otherwise.
  secrets.push(/^[a-z]+:\/\/[^:@/]*:(.*)@/i.exec(url)?.[1]);
  if (URL.canParse(url)) {
    const { password } = new URL(url);
    secrets.push(password);
    try {
      secrets.push(decodeURIComponent(password));
    } catch {
      // Not percent-encoded: the password as it stands is in the list.
    }
  }
  return secrets.filter((secret) => secret !== undefined && secret.length >= shortestSecret) as string[];
}
