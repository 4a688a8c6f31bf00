import { Terminal } from '@xterm/headless';
import type { Stream } from '../../examples/cli/output.ts';

/** A terminal that shows what was written to it: what a person would see, whatever codes made it so. */
export class Screen implements Stream {
  readonly isTTY: boolean;
  readonly #terminal: Terminal;
  readonly #listeners: (() => void)[] = [];
  /** Each write as it came. */
  readonly writes: string[] = [];

  constructor({
    isTTY = true,
    columns = 100,
    rows = 24,
  }: { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number } = {}) {
    this.isTTY = isTTY;
    this.#terminal = new Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true });
  }

  get columns(): number {
    return this.#terminal.cols;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  write(text: string): void {
    this.writes.push(text);
    this.#terminal.write(text);
  }

  on(_: 'resize', listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** As the window's frame is dragged: the terminal breaks its lines anew, and then tells the program. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#settled();
    this.#terminal.resize(columns, rows);
    for (const listener of this.#listeners) listener();
  }

  /** The lines from the first of what scrolled away to the last that is not empty. */
  async lines(): Promise<string[]> {
    await this.#settled();
    const { active } = this.#terminal.buffer;
    const lines: string[] = [];
    for (let at = 0; at < active.length; at += 1) {
      const line = active.getLine(at);
      const text = line?.translateToString(true) ?? '';
      if (line?.isWrapped) lines.push(`${lines.pop() ?? ''}${text}`);
      else lines.push(text);
    }
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }

  async #settled(): Promise<void> {
    await new Promise<void>((resolve) => this.#terminal.write('', resolve));
  }
}
