/** Names to the left, their texts beside each other to the right; without those that have no text. */
export function columns(all: readonly (readonly [string, string])[], width: number): string[] {
  const facts = all.filter(([, text]) => text !== '');
  const indent = Math.max(0, ...facts.map(([name]) => name.length)) + 4;
  return facts.flatMap(([name, text]) =>
    wrap(text, width - indent).map(
      (line, index) => `  ${(index === 0 ? name : '').padEnd(indent - 2)}${line}`,
    ),
  );
}

/** Lines of whole words. A word that is longer than a line stays whole. */
export function wrap(text: string, columnsLeft: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > columnsLeft) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}
