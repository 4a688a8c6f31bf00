import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { blocksOf } from './markdown.ts';
import { Checkout, commandsOf, whyNotRun } from './shell.ts';

/** Where the lines that are shown are not in the output, in their order; `…` stands for anything. */
function missingLines(shown: string, output: string): string[] {
  const lines = output.split('\n');
  let from = 0;
  return shown.split('\n').filter((line) => {
    if (line.trim() === '' || line.trim() === '…') return false;
    const literal = line.trimEnd().replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    const pattern = new RegExp(`^${literal.replaceAll('…', '.*')}\\s*$`);
    const at = lines.findIndex((one, index) => index >= from && pattern.test(one));
    if (at >= 0) from = at + 1;
    return at < 0;
  });
}

test('who pastes the tutorial from its beginning to its end sees what it shows', async () => {
  await using checkout = await Checkout.create();
  const steps = blocksOf('docs/tutorial.md', ['sh', 'text', 'ts', 'jsonc']);
  let local: ReturnType<Checkout['start']> | undefined;
  /** What was pasted into the second terminal before, and is still in force there. */
  let variables = '';
  let output = '';
  const done = { run: 0, shown: 0, saved: 0 };
  try {
    for (const { line, language, code, named } of steps) {
      if (language === 'text') {
        expect(missingLines(code, output), `docs/tutorial.md:${line}\n${output}`).toEqual([]);
        done.shown++;
        continue;
      }
      if (language !== 'sh') {
        const file = join(checkout.folder, named.at(-1) ?? 'unnamed');
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, code);
        done.saved++;
        continue;
      }
      if (commandsOf(code).some((command) => whyNotRun(command) !== undefined)) continue;
      done.run++;
      if (code.startsWith('npm run local')) {
        const started = checkout.start(code, {});
        local = started;
        await expect.poll(started.output, { timeout: 60_000 }).toContain('Ctrl-C stops all of it.');
        output = started.output();
        continue;
      }
      const ended = await checkout.run(`${variables}${code}`, {});
      ({ output } = ended);
      expect(ended.exitCode, `docs/tutorial.md:${line}\n${output}`).toBe(0);
      if (/^(?:\.|export) /.test(code)) variables += code;
    }
  } finally {
    local?.interrupt();
    await local?.ended;
  }
  expect(done.run).toBeGreaterThan(6);
  expect(done.shown).toBeGreaterThan(5);
  expect(done.saved).toBeGreaterThan(2);
  expect(existsSync(join(checkout.folder, '.local/env.sh'))).toBe(false);
}, 300_000);

test('a line that is shown, and was not printed there, would be noticed', () => {
  const output = '> npm\n\nCopied 12 rows\nin 3 s\n';
  expect(missingLines('Copied … rows\n…\nin … s\n', output)).toEqual([]);
  expect(missingLines('Copied … row\nin … s\n', output)).toEqual(['Copied … row']);
  expect(missingLines('in 3 s\nCopied 12 rows\n', output)).toEqual(['Copied 12 rows']);
});
