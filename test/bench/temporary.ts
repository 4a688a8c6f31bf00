import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory that is gone when it is disposed of, or when the process ends before that. */
export async function temporaryDirectory(name: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), `bench-${name}-`));
  const onExit = (): void => rmSync(path, { recursive: true, force: true });
  process.once('exit', onExit);
  return {
    path,
    async [Symbol.asyncDispose]() {
      process.off('exit', onExit);
      await rm(path, { recursive: true, force: true });
    },
  };
}
