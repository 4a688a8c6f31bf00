import type {
  BatchEncoder,
  CallContext,
  CheckpointStore,
  RangeRequest,
  Key,
  KeyRange,
  RejectStore,
  Sink,
  SinkTarget,
  SinkVerifier,
  Source,
} from '../contract/index.ts';
import { FaultInjector } from './faults.ts';

/** What a wrapped store stands for, so that a sink still recognises its own. */
const originals = new WeakMap<CheckpointStore, CheckpointStore>();

/**
 * Crashes a migration at an exact step. One `CrashPoints` is one life of one process: it wraps the adapters which
 * that process uses, counts every effect (each adapter call that leaves the process), and crashes before or after
 * the nth. What the adapters wrote until then stays, as it would in a database.
 *
 * Encoders are not effects: they work inside the process. `close()` is passed through, so that a test can tidy up
 * after a crash.
 *
 * @example
 * ```ts
 * // Count the effects of a run, then crash at each of them and resume.
 * const counting = new CrashPoints();
 * await migrate(counting.wrapSource(newSource()), counting.wrapSink(newSink(newDatabase())));
 * for (let n = 1; n <= counting.count; n += 1) {
 *   const database = newDatabase();
 *   const crash = new CrashPoints().at(n, 'after');
 *   await migrate(crash.wrapSource(newSource()), crash.wrapSink(newSink(database))).catch(() => undefined);
 *   await migrate(newSource(), newSink(database));
 *   assertSameRows(database);
 * }
 * ```
 */
export class CrashPoints extends FaultInjector {
  readonly #stores = new WeakMap<CheckpointStore, CheckpointStore>();

  /** The same source, in this process. */
  wrapSource<Row extends object>(source: Source<Row>): Source<Row> {
    return {
      ...(source.name !== undefined && { name: source.name }),
      describe: (...args) => this.effect('source.describe', () => source.describe(...args)),
      ranges: (request, context) => this.#ranges(source, request, context),
      readPage: (request, context) => this.effect('source.readPage', () => source.readPage(request, context)),
      countRows: (range, context) => this.effect('source.countRows', () => source.countRows(range, context)),
      // Left out where the source has none: the engine asks whether it is there.
      ...(source.findOversizedRow && {
        findOversizedRow: (maxBytes: number, context?: CallContext) =>
          this.effect(
            'source.findOversizedRow',
            async () => (await source.findOversizedRow?.(maxBytes, context)) ?? null,
          ),
      }),
      ...(source.readRows && {
        readRows: (keys: readonly Key[], context?: CallContext) =>
          this.effect('source.readRows', async () => (await source.readRows?.(keys, context)) ?? []),
      }),
      ...(source.references && {
        references: (context?: CallContext) =>
          this.effect('source.references', async () => (await source.references?.(context)) ?? []),
      }),
      close: async () => await source.close?.(),
    };
  }

  /** The same sink, in this process; its `checkpoints` are wrapped as well. */
  wrapSink<Row extends object>(sink: Sink<Row>): Sink<Row> {
    return {
      checkpoints: this.wrapStore(sink.checkpoints),
      rejects: sink.rejects && this.#rejects(sink.rejects),
      takesSchema: sink.takesSchema,
      ...(sink.ask && {
        ask: (context?: CallContext) => this.effect('sink.ask', async () => await sink.ask?.(context)),
      }),
      prepare: (shape, context, asked) =>
        this.effect('sink.prepare', async () => this.#target(await sink.prepare(shape, context, asked))),
      close: async () => await sink.close?.(),
    };
  }

  /** The same store, in this process. */
  wrapStore(store: CheckpointStore): CheckpointStore {
    const known = this.#stores.get(store);
    if (known) return known;
    const wrapped: CheckpointStore = {
      identity: store.identity,
      prepare: (...args) => this.effect('store.prepare', () => store.prepare(...args)),
      readPlan: (...args) => this.effect('store.readPlan', () => store.readPlan(...args)),
      append: (...args) => this.effect('store.append', () => store.append(...args)),
      adopt: (...args) => this.effect('store.adopt', () => store.adopt(...args)),
      claim: (...args) => this.effect('store.claim', () => store.claim(...args)),
      renew: (...args) => this.effect('store.renew', () => store.renew(...args)),
      advance: (...args) => this.effect('store.advance', () => store.advance(...args)),
      release: (...args) => this.effect('store.release', () => store.release(...args)),
      read: (...args) => this.effect('store.read', () => store.read(...args)),
      summarize: (...args) => this.effect('store.summarize', () => store.summarize(...args)),
      list: (...args) => this.effect('store.list', () => store.list(...args)),
      reopen: (...args) => this.effect('store.reopen', () => store.reopen(...args)),
      clear: (...args) => this.effect('store.clear', () => store.clear(...args)),
    };
    this.#stores.set(store, wrapped);
    originals.set(wrapped, store);
    return wrapped;
  }

  #target(target: SinkTarget): SinkTarget {
    return {
      identity: target.identity,
      database: target.database,
      settings: target.settings,
      findings: target.findings,
      statements: target.statements,
      mode: target.mode,
      maxRowBytes: target.maxRowBytes,
      delivery: (store) => target.delivery(unwrapped(store)),
      create: (context) => this.effect('sink.create', () => target.create(context)),
      ...(target.finish && {
        finish: (context?: CallContext) =>
          this.effect('sink.finish', async () => await target.finish?.(context)),
      }),
      encoder: (maxRows): BatchEncoder => target.encoder(maxRows),
      commit: (...args) => this.effect('sink.commit', () => target.commit(...args)),
      write: (...args) => this.effect('sink.write', () => target.write(...args)),
      isEmpty: (context) => this.effect('sink.isEmpty', () => target.isEmpty(context)),
      countRows: (range, context) => this.effect('sink.countRows', () => target.countRows(range, context)),
      verifier: target.verifier && this.#verifier(target.verifier),
    };
  }

  #rejects(rejects: RejectStore): RejectStore {
    return {
      identity: rejects.identity,
      prepare: (...args) => this.effect('rejects.prepare', () => rejects.prepare(...args)),
      list: (...args) => this.effect('rejects.list', () => rejects.list(...args)),
      remove: (...args) => this.effect('rejects.remove', () => rejects.remove(...args)),
      clear: (...args) => this.effect('rejects.clear', () => rejects.clear(...args)),
    };
  }

  #verifier(verifier: SinkVerifier): SinkVerifier {
    return {
      compare: (...args) => this.effect('sink.compare', () => verifier.compare(...args)),
      keys: (...args) => this.effect('sink.keys', () => verifier.keys(...args)),
      delete: (...args) => this.effect('sink.delete', () => verifier.delete(...args)),
    };
  }

  /** Each portion of ranges is an effect: between two of them the process may die. */
  async *#ranges(
    source: Source<object>,
    request: RangeRequest,
    context?: CallContext,
  ): AsyncGenerator<readonly KeyRange[], void> {
    const portions = source.ranges(request, context)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const portion = await this.effect('source.ranges', () => portions.next());
        if (portion.done === true) return;
        yield portion.value;
      }
    } finally {
      await portions.return?.();
    }
  }
}

/** A store that was wrapped by one `CrashPoints` or by several. */
function unwrapped(store: CheckpointStore): CheckpointStore {
  const original = originals.get(store);
  return original ? unwrapped(original) : store;
}
