import { execFile, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';

/**
 * Cleans up after a host that died without calling `stop()`: by an uncaught error, by SIGKILL, by Ctrl-C.
 * Best effort, and only where there is a /bin/sh.
 */
export interface Guard {
  /**
   * The process to end when the host is gone, and a directory that this process uses for itself. A later
   * call takes the place of an earlier one.
   */
  watch(pid: number, scratch?: string): void;
  /** The host has ended the process itself: removes the directory and ends the guard. */
  release(): Promise<void>;
}

/**
 * A shell that reads process ids from its standard input. When the host dies, however it dies, that input
 * ends: then the shell sends `signal` to the last process and removes `directory`.
 */
export function startGuard(signal: 'QUIT' | 'TERM', directory: string | undefined): Guard {
  const script = `
    pid= scratch=
    while read -r one two; do pid=$one scratch=$two; done
    if [ -n "$pid" ]; then
      kill -${signal} "$pid" 2> /dev/null
      for i in 1 2 3 4 5 6 7 8 9 10; do case "$(ps -o stat= -p "$pid" 2> /dev/null)" in '' | Z*) break ;; esac; sleep 0.2; done
    fi
    for directory in "$1" "$scratch"; do [ -z "$directory" ] || rm -rf "$directory"; done`;
  const shell = spawn('/bin/sh', ['-c', script, 'sh', directory ?? ''], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // out of reach of Ctrl-C, which goes to the host's whole process group
  });
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  // Neither the shell nor the pipe to it may keep a finished host alive.
  shell.unref();
  (shell.stdin as unknown as { unref?(): void }).unref?.();
  return {
    watch(pid, scratch = '') {
      shell.stdin.write(`${pid} ${scratch}\n`);
    },
    async release() {
      if (directory !== undefined) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
      shell.kill('SIGKILL');
    },
  };
}

/** The child process of ours whose command line contains a text. Undefined where `ps` does not say. */
export function findChild(text: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const child = execFile(
      'ps',
      ['-A', '-ww', '-o', 'pid=,ppid=,args='],
      { maxBuffer: 1 << 26 },
      (error, output) => {
        const line =
          error === null ? output.split('\n').find((one) => one.includes(text) && isOurs(one)) : undefined;
        resolve(line === undefined ? undefined : Number.parseInt(line, 10));
      },
    );
    child.unref();
  });
}

function isOurs(line: string): boolean {
  return Number(line.trim().split(/\s+/, 2)[1]) === process.pid;
}
