/**
 * Runs inside workerd, around a Worker under test: tells the test of every D1 query and every connection to PostgreSQL,
 * and in which invocation it was. The test's half is `counts.ts`.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import type { D1DatabaseLike } from 'resumable-migrator/d1';
import { CountedD1 } from '../support/counted-d1.ts';

/** What is sent for each thing that counts, before it happens. */
export interface Count {
  /** One call of a handler: `fetch`, `scheduled`, `queue`, `alarm`, ... */
  readonly invocation: string;
  readonly handler: string;
  readonly what: 'begin' | 'query' | 'connect' | 'end';
  /** The SQL of a call of the binding: several statements are one batch. */
  readonly statements: readonly string[];
}

/** The part of a Worker's environment that this needs. */
export interface CountedEnvironment {
  readonly DB: D1DatabaseLike;
  /** A service binding to the test: `counts.service`. */
  readonly COUNTS: { fetch(url: string, init: RequestInit): Promise<unknown> };
}

interface Invocation {
  readonly invocation: string;
  readonly handler: string;
  readonly env: CountedEnvironment;
}

type Handler = (...args: unknown[]) => unknown;

const running = new AsyncLocalStorage<Invocation>();

/** A Worker's default export with every handler counted: `export default counted(worker)`. */
export function counted<Worker extends object>(worker: Worker): Worker {
  const handlers = Object.entries(worker as Record<string, Handler>).map(([name, handle]) => {
    const around: Handler = (event, env, ...rest) =>
      invoke(name, env as CountedEnvironment, () => handle.call(worker, event, countedEnv(env), ...rest));
    return [name, around];
  });
  return Object.fromEntries(handlers) as Worker;
}

/** A Durable Object's or Workflow's class with every method counted: `export const Copy = countedClass(Original)`. */
export function countedClass<Class extends new (context: never, env: never) => object>(
  Original: Class,
): Class {
  const environments = new WeakMap<object, CountedEnvironment>();
  const Base = Original as unknown as new (context: unknown, env: unknown) => object;
  class Counted extends Base {
    constructor(context: unknown, env: unknown) {
      super(context, countedEnv(env));
      environments.set(this, env as CountedEnvironment);
    }
  }
  for (const name of Object.getOwnPropertyNames(Original.prototype)) {
    const { value } = Object.getOwnPropertyDescriptor(Original.prototype, name) as PropertyDescriptor;
    if (name === 'constructor' || typeof value !== 'function') continue;
    const method = value as Handler;
    Object.defineProperty(Counted.prototype, name, {
      value(this: object, ...args: unknown[]) {
        const env = environments.get(this);
        // Called by the constructor, or by a method that is counted already.
        if (env === undefined || running.getStore() !== undefined) return method.apply(this, args);
        return invoke(name, env, () => method.apply(this, args));
      },
    });
  }
  return Counted as unknown as Class;
}

async function invoke(handler: string, env: CountedEnvironment, work: () => unknown): Promise<unknown> {
  const invocation = { invocation: crypto.randomUUID(), handler, env };
  return await running.run(invocation, async () => {
    await report('begin');
    try {
      return await work();
    } finally {
      await report('end');
    }
  });
}

async function report(what: Count['what'], statements: readonly string[] = []): Promise<void> {
  const store = running.getStore();
  if (store === undefined) throw new Error(`Outside of an invocation: ${what} ${statements.join('; ')}`);
  const { invocation, handler, env } = store;
  const count: Count = { invocation, handler, what, statements };
  await env.COUNTS.fetch('http://counts/', { method: 'POST', body: JSON.stringify(count) });
}

function countedEnv(env: unknown): unknown {
  const { DB, ...rest } = env as CountedEnvironment;
  return { ...rest, DB: new ReportedD1(DB) };
}

/** The binding with every call reported before it is made; a test that holds the report back holds the call back. */
class ReportedD1 extends CountedD1 {
  protected override async asked(statements: readonly string[]): Promise<void> {
    await report('query', statements);
  }
}

// A pool connects by its clients, so this sees every connection. It is not waited for: pg expects an answer in this turn.
pg.Client.prototype.connect = new Proxy(pg.Client.prototype.connect, {
  apply(connect, client, args): unknown {
    void report('connect');
    return Reflect.apply(connect, client, args);
  },
});
