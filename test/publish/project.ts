import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root: string = fileURLToPath(new URL('../../', import.meta.url));

/** The little of a package.json that is looked at. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly exports: Record<string, unknown>;
  readonly scripts?: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }>;
}

/** What `npm pack` says of a tarball. */
interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

/** How a command ended. */
export interface Ended {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs a command to its end. It gets nothing of npm's variables: they would send an inner npm to this project. */
export async function run(
  cwd: string,
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  const { PATH, HOME } = process.env;
  const quiet = { npm_config_offline: 'true', npm_config_update_notifier: 'false' };
  const options = { cwd, env: { PATH, HOME, ...quiet, ...env }, maxBuffer: 64_000_000 };
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, options);
    return { exitCode: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { exitCode: code, output: stdout + stderr };
  }
}

export async function manifestIn(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

function folderOf(name: string): string {
  return join(root, 'node_modules', name);
}

/** The packages that a manifest needs, those that these need, and so on. */
export async function needed(manifest: Manifest, withOptional: boolean): Promise<readonly Manifest[]> {
  const found = new Map<string, Manifest>();
  const waiting = [manifest];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = one;
    const peers = Object.keys(peerDependencies).filter(
      // What another package has for an optional peer (pg-native) is nobody's need here.
      (name) => peerDependenciesMeta[name]?.optional !== true || (withOptional && one === manifest),
    );
    for (const name of [...Object.keys(dependencies), ...peers]) {
      if (found.has(name)) continue;
      const next = await manifestIn(folderOf(name));
      found.set(name, next);
      waiting.push(next);
    }
  }
  return [...found.values()];
}

/** The package as it would be published, installed into an empty project outside of this one. */
export class Project implements AsyncDisposable {
  readonly folder: string;
  readonly packed: Packed;
  readonly installLog: string;

  private constructor(folder: string, packed: Packed, installLog: string) {
    this.folder = folder;
    this.packed = packed;
    this.installLog = installLog;
  }

  /** Packs what is built, with the packages that it needs; npm installs these tarballs and asks no registry. */
  static async create(): Promise<Project> {
    const folder = await mkdtemp(join(tmpdir(), 'package-'));
    const all = await needed(await manifestIn(root), false);
    const folders = [root, ...all.map(({ name }) => folderOf(name))];
    const npm = async (...args: string[]): Promise<string> => {
      const { exitCode, output } = await run(folder, 'npm', args, {
        npm_config_cache: join(folder, 'cache'),
      });
      if (exitCode !== 0) throw new Error(output);
      return output;
    };
    const packing = await npm('pack', '--ignore-scripts', '--json', '--silent', ...folders);
    const tarballs = JSON.parse(packing) as readonly [Packed, ...Packed[]];
    const dependencies = Object.fromEntries(
      tarballs.map(({ name, filename }) => [name, `file:./${filename}`]),
    );
    await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', dependencies }));
    const log = await npm('install', '--foreground-scripts', '--no-audit', '--no-fund');
    return new Project(folder, tarballs[0], log);
  }

  /** The installed package. */
  get installed(): string {
    return join(this.folder, 'node_modules', 'resumable-migrator');
  }

  /** Adds packages of this project, as a user would who installs them. */
  async link(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const path = join(this.folder, 'node_modules', name);
      await mkdir(dirname(path), { recursive: true });
      await symlink(folderOf(name), path);
    }
  }

  async write(path: string, text: string): Promise<string> {
    const full = join(this.folder, path);
    await writeFile(full, text);
    return full;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}

/** Every Node that PATH leads to and that the package is for: the real path, and the version. */
export async function nodesInPath(): Promise<readonly { readonly version: string; readonly path: string }[]> {
  const found = new Map<string, string>();
  for (const folder of (process.env['PATH'] ?? '').split(':')) {
    const path = join(folder, 'node');
    const { exitCode, output } = await run(root, path, ['--version']);
    const [major = 0, minor = 0] = output.slice(1).split('.').map(Number);
    if (exitCode === 0 && (major > 22 || (major === 22 && minor >= 12))) found.set(output.trim(), path);
  }
  return [...found].map(([version, path]) => ({ version, path }));
}
