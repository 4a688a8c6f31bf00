import { stripVTControlCharacters, styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import type { Environment } from './configuration.ts';

type Colour = 'green' | 'yellow' | 'red' | 'dim';

/** The part of a terminal or file that is written to. */
export interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on?(event: 'resize', listener: () => void): unknown;
}

/** The lines at the bottom, or what makes them for a terminal of this size. */
export type Bar = string | ((columns: number, rows: number) => string);

/** Where lines are printed. */
export interface Lines {
  /** True: it is a terminal, and progress is drawn below the lines. */
  readonly live: boolean;
  line(text?: string): void;
  colour(colour: Colour, text: string): string;
}

/**
 * Where the command writes. On a terminal the last lines can be a view of progress that stays below everything else;
 * elsewhere there are plain lines without any control codes.
 */
export class Output implements Lines {
  /** True: stdout is a terminal, and a bar can be drawn. */
  readonly live: boolean;
  readonly #out: Stream;
  readonly #errors: Stream;
  readonly #coloured: boolean;
  readonly #colouredErrors: boolean;
  readonly #secrets: readonly string[];
  readonly #update: ReturnType<typeof createLogUpdate>;
  #bar: Bar = '';
  #drawn = '';
  #pending = '';

  constructor(env: Environment, out: Stream = process.stdout, errors: Stream = process.stderr) {
    this.#out = out;
    this.#errors = errors;
    this.live = out.isTTY === true && env['TERM'] !== 'dumb';
    const forced = forcedColour(env);
    this.#coloured = forced ?? (this.live && (env['NO_COLOR'] ?? '') === '');
    this.#colouredErrors = forced ?? (this.#coloured && errors.isTTY === true);
    this.#secrets = secretsOf(env);
    this.#update = createLogUpdate(this.#canvas(), { showCursor: true });
    if (this.live) out.on?.('resize', () => this.#resized());
  }

  line(text = ''): void {
    this.#above(() => {
      this.#pending += `${this.#clean(text)}\n`;
    });
  }

  /** Lines that begin with what they are about. Empty lines, which only part them, are left out. */
  labelled(label: string): Lines {
    return {
      live: this.live,
      line: (text = '') => {
        for (const line of text.split('\n'))
          if (line !== '') this.line(`${oneLine(label)}: ${line.trimStart()}`);
      },
      colour: (colour, text) => this.colour(colour, text),
    };
  }

  /** Goes to stderr. */
  error(text: string): void {
    const coloured = this.#colouredErrors ? styleText('red', text, { validateStream: false }) : text;
    this.#above(() => {
      this.#flush();
      this.#errors.write(`${this.#clean(coloured)}\n`);
    });
  }

  /** Draws the bar anew, of one line or several; null removes it. Does nothing where stdout is no terminal. */
  bar(bar: Bar | null): void {
    if (!this.live) return;
    this.#bar = bar ?? '';
    this.#draw();
    this.#flush();
  }

  colour(colour: Colour, text: string): string {
    return this.#coloured ? styleText(colour, text, { validateStream: false }) : text;
  }

  get columns(): number {
    // Some pseudo terminals say 0.
    return this.#out.columns || 80;
  }

  get #rows(): number {
    return this.#out.rows || 24;
  }

  #above(write: () => void): void {
    if (this.#drawn !== '') this.#erase();
    write();
    this.#draw();
    this.#flush();
  }

  #draw(): void {
    const text = typeof this.#bar === 'string' ? this.#bar : this.#bar(this.columns, this.#rows);
    const next = this.#clean(text);
    if (next === this.#drawn) return;
    if (next === '') this.#erase();
    else this.#update(next);
    this.#drawn = next;
  }

  #erase(): void {
    this.#update.clear();
    this.#drawn = '';
  }

  /** A terminal that became narrower has broken the lines of the bar, so that they fill more rows than were written. */
  #resized(): void {
    if (this.#drawn === '') return;
    const rows = stripVTControlCharacters(this.#drawn)
      .split('\n')
      .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / this.columns)), 0);
    this.#pending += `\u001B[${rows}A\r\u001B[J`;
    this.#update.done();
    this.#drawn = '';
    this.#draw();
    this.#flush();
  }

  /** What the library draws on: it writes in steps, and the terminal gets them at once. */
  #canvas(): NodeJS.WritableStream {
    const columns = (): number => this.columns;
    const rows = (): number => this.#rows;
    const canvas = {
      get columns() {
        return columns();
      },
      get rows() {
        return rows();
      },
      write: (text: string) => {
        this.#pending += text;
        return true;
      },
    };
    // It uses nothing else of a stream.
    return canvas as unknown as NodeJS.WritableStream;
  }

  #flush(): void {
    const text = this.#pending;
    this.#pending = '';
    if (text === '') return;
    // Only what erases something can flicker.
    this.#out.write(text.includes('\u001B[2K') ? `${beginUpdate}${text}${endUpdate}` : text);
  }

  /** The last barrier: whatever a text was made of, no secret passes, and nothing that steers a terminal. */
  #clean(text: string): string {
    const clean = this.#secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
    return escaped(clean, this.#coloured ? ownCodes : lineBreaks);
  }
}

/** A terminal that knows these shows nothing of what is between them before it is complete; others pass over them. */
const beginUpdate = '\u001B[?2026h';
const endUpdate = '\u001B[?2026l';

/** What FORCE_COLOR asks for, which goes before NO_COLOR as in Node; undefined where it is not set. */
function forcedColour(env: Environment): boolean | undefined {
  const force = env['FORCE_COLOR']?.toLowerCase() ?? '';
  return force === '' ? undefined : force !== '0' && force !== 'false';
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
