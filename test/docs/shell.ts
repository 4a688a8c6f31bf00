import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './markdown.ts';

/** What a shell left. */
export interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
}

/** A copy of the checkout after `npm ci`, for commands that write files, and the shells that run in it. */
export class Checkout implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Checkout> {
    const folder = await mkdtemp(join(tmpdir(), 'docs-test-'));
    // Where root runs the test, another account runs PostgreSQL, and has to get in.
    await chmod(folder, 0o755);
    for (const part of ['package.json', 'tsconfig.json', 'dist', 'examples', 'src'])
      await cp(join(root, part), join(folder, part), { recursive: true });
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    return new Checkout(folder);
  }

  /** Starts pasted lines in a shell of their own, which ends at the first that fails. Its output as it comes. */
  start(
    lines: string,
    env: Readonly<Record<string, string>>,
  ): { ended: Promise<Ended>; output: () => string; interrupt: () => void } {
    const child = spawn('/bin/sh', ['-e'], {
      cwd: this.folder,
      // Of the caller's variables only what a new terminal has too.
      env: { PATH: process.env['PATH'], HOME: this.folder, WRANGLER_SEND_METRICS: 'false', ...env },
      // A process group of its own: what a Ctrl-C in its terminal would reach.
      detached: true,
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    child.stdin.end(lines);
    const ended = once(child, 'close').then(() => ({ exitCode: child.exitCode, output }));
    const interrupt = (): void => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGINT');
    };
    return { ended, output: () => output, interrupt };
  }

  async run(lines: string, env: Readonly<Record<string, string>>): Promise<Ended> {
    return await this.start(lines, env).ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The commands of a block: comments and continued lines are put right. */
export function commandsOf(code: string): string[] {
  return code
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#\s.*$/, '').trim())
    .filter((line) => line !== '');
}

interface Elsewhere {
  readonly command: RegExp;
  readonly reason: string;
}

/** What a test cannot run, and why. */
const elsewhere: readonly Elsewhere[] = [
  {
    command: /^npm (ci|install)\b/,
    reason: 'asks the registry; every checkout that runs a test has done it',
  },
  { command: /^npm (test|run (check|bench|soak|mutants))\b/, reason: 'runs this test, or takes minutes' },
  { command: /^npm (publish|version|login|pack)\b/, reason: 'needs an account at the registry' },
  { command: /^git (clone|tag|push)\b/, reason: 'needs the network and an account' },
  { command: /^gh\b/, reason: 'needs an account at GitHub' },
  {
    command:
      /^npx wrangler (login|tail|secret|queues|workflows|hyperdrive|d1 (create|list|execute .*--remote|time-travel)|deploy(?!.*--dry-run))\b/,
    reason: 'needs an account at Cloudflare',
  },
  { command: /^curl .*\bworkers\.dev\b/, reason: 'asks a Worker that was deployed' },
];

/** What goes on until it is interrupted, and what it says once it is there. */
const lasting: readonly (readonly [command: RegExp, ready: RegExp])[] = [
  [/\bnode examples\/node-service\/main\.ts/, /listening/],
  [/\bnode examples\/job-queue\/worker\.ts/, /^ready$/m],
];

/** What a command that goes on by itself says when it is ready; undefined for one that ends. */
export function readyOf(command: string): RegExp | undefined {
  return lasting.find(([pattern]) => pattern.test(command))?.[1];
}

/** Why a command is not run; undefined where it is. */
export function whyNotRun(command: string): string | undefined {
  return elsewhere.find((one) => one.command.test(command))?.reason;
}
