import { oneLine } from '../../errors.ts';

/** Text that is HTML already. Everything else that gets into {@link html} is escaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | null | readonly Html[];

/** Makes HTML of a template. Names, keys and messages are made by others, so no value can be markup by accident. */
export function html(fixed: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(
    fixed
      // The indentation of the template itself is not worth its bytes.
      .map((piece) => piece.replace(/\n\s+/g, '\n'))
      .reduce((text, piece, index) => text + textOf(parts[index - 1] ?? null) + piece),
  );
}

function textOf(part: Part): string {
  if (part === null) return '';
  if (part instanceof Html) return part.text;
  return typeof part === 'object' ? part.map(({ text }) => text).join('') : escape(String(part));
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return oneLine(text).replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

/** A table for reading figures; the columns named are figures, and stand to the right. */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly (Html | string)[])[],
  figures: readonly string[] = [],
): Html {
  const kind = (index: number): string => (figures.includes(head[index] ?? '') ? 'n' : 't');
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head.map((title, index) => html`<th scope="col" class="${kind(index)}">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, index) => html`<td class="${kind(index)}">${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}
