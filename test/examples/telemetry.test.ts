import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { publishDiagnostics } from 'resumable-migrator/node';
import { startTelemetry } from '../../examples/node-service/telemetry.ts';
import { World } from '../support/world.ts';
import { createMarked, expectMarkedEqual } from './marked.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

/** The host's SDK, which keeps what it is given in memory. */
function startSdk(): {
  readonly tracerProvider: BasicTracerProvider;
  readonly meterProvider: MeterProvider;
  readonly spans: (name: string) => ReadableSpan[];
  /** Each metric's data points: their value, and their labels. */
  readonly points: () => Promise<Record<string, readonly (readonly [unknown, object])[]>>;
} {
  const spanExporter = new InMemorySpanExporter();
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({
    exporter: metricExporter,
    exportIntervalMillis: 600_000,
  });
  return {
    tracerProvider: new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spanExporter)] }),
    meterProvider: new MeterProvider({ readers: [reader] }),
    spans: (name) => spanExporter.getFinishedSpans().filter((span) => span.name === name),
    points: async () => {
      await reader.forceFlush();
      const exported = metricExporter.getMetrics().at(-1)?.scopeMetrics ?? [];
      return Object.fromEntries(
        exported.flatMap(({ metrics }) =>
          metrics.map(({ descriptor, dataPoints }) => [
            descriptor.name,
            dataPoints.map(({ value, attributes }) => [value, attributes] as const),
          ]),
        ),
      );
    },
  };
}

test('telemetry has a span a run and a batch, retries as events, and counts what was copied', async () => {
  await using stack = new AsyncDisposableStack();
  const table = 'traced';
  await createMarked(world, table, 1_000);
  const sdk = startSdk();
  stack.defer(async () => await sdk.meterProvider.shutdown());
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  stack.defer(() => context.disable());
  stack.defer(startTelemetry(sdk));
  const migrator = world.migrator(table, {
    checkpointSize: 500,
    batchSize: 100,
    retry: { baseMs: 1, maxMs: 1 },
  });
  const batchMs: number[] = [];
  migrator.on('batch:committed', ({ milliseconds }) => batchMs.push(milliseconds));
  stack.defer(publishDiagnostics(migrator, { attributes: { tenant: 'eu-1' } }));
  let refused = 0;
  world.stack.api.setFaults(({ sql, attempt }) =>
    refused < 2 && attempt === 1 && sql.some((text) => text.startsWith(`INSERT INTO "${table}"`)) && ++refused
      ? { kind: 'status', status: 500, code: 7500, message: 'internal error; reference = marked-x' }
      : undefined,
  );
  const host = sdk.tracerProvider.getTracer('host').startSpan('host');
  await context.with(trace.setSpan(context.active(), host), async () => await migrator.run());
  world.stack.api.setFaults(undefined);
  await expectMarkedEqual(world, table);

  const [run, ...otherRuns] = sdk.spans('migration.run');
  expect(otherRuns).toEqual([]);
  expect(run?.parentSpanContext?.spanId).toBe(host.spanContext().spanId);
  expect(run?.status.code).toBe(SpanStatusCode.UNSET);
  const name = { tenant: 'eu-1', 'migration.name': table };
  expect(run?.attributes).toMatchObject({
    ...name,
    'migration.delivery': 'exactly-once',
    'migration.status': 'completed',
    'migration.rows': 1_000,
    'migration.batches': 10,
  });
  expect(run?.events.map((event) => [event.name, event.attributes])).toEqual(
    [1, 2].map(() => [
      'retry',
      {
        'migration.operation': expect.any(String),
        'migration.retry.attempt': 1,
        'migration.retry.delay': expect.any(Number),
        'error.type': expect.stringMatching(/^SINK_/),
      },
    ]),
  );
  const batches = sdk.spans('migration.batch');
  expect(batches).toHaveLength(10);
  for (const batch of batches) {
    expect(batch.parentSpanContext?.spanId).toBe(run?.spanContext().spanId);
    expect(batch.attributes).toMatchObject({ ...name, 'migration.batch.rows': 100 });
  }
  for (const [index, { duration }] of batches.entries())
    expect(duration[0] * 1_000 + duration[1] / 1e6).toBeCloseTo(batchMs[index] ?? NaN, 1);

  const points = await sdk.points();
  expect(points['migration.rows']).toEqual([[1_000, name]]);
  expect(points['migration.batches']).toEqual([[10, name]]);
  expect(points['migration.retries']).toEqual([[2, expect.objectContaining(name)]]);
  const durations = points['migration.batch.duration']?.[0]?.[0] as Histogram;
  expect(durations.count).toBe(10);
  expect(durations.sum).toBeCloseTo(batchMs.reduce((sum, value) => sum + value, 0) / 1_000, 6);
  const recorded = [...batches, run].map((span) => [span?.attributes, span?.events]);
  expect(JSON.stringify([recorded, points])).not.toContain('marked-');
});

test('a run that fails is an error in its span; one that fails before it begins has a span too', async () => {
  await using stack = new AsyncDisposableStack();
  const table = 'traced_failure';
  await createMarked(world, table, 200);
  await world.postgres(`UPDATE ${table} SET amount = 'NaN' WHERE id = 'marked-key-000150'`);
  const sdk = startSdk();
  stack.defer(async () => await sdk.meterProvider.shutdown());
  stack.defer(startTelemetry(sdk));
  const codes = { [table]: 'CHECKPOINTS_FAILED', no_such_table: 'SOURCE_TABLE_NOT_FOUND' };
  for (const [name, code] of Object.entries(codes)) {
    const migrator = world.migrator(name, { batchSize: 100 });
    stack.defer(publishDiagnostics(migrator));
    await expect(migrator.run()).rejects.toMatchObject({ code });
  }
  const [failed, early, ...others] = sdk.spans('migration.run');
  expect(others).toEqual([]);
  for (const span of [failed, early]) expect(span?.status).toEqual({ code: SpanStatusCode.ERROR });
  expect(failed?.attributes).toMatchObject({ 'migration.rows': 100, 'error.type': 'VALUE_REFUSED' });
  expect(failed?.events.map(({ name, attributes }) => [name, attributes])).toEqual([
    ['checkpoint.failed', { 'migration.checkpoint': 1, 'error.type': 'VALUE_REFUSED' }],
  ]);
  expect(early?.attributes).toMatchObject({ 'migration.status': 'failed', 'migration.rows': 0 });
  expect(JSON.stringify([failed?.attributes, failed?.events])).not.toContain('marked-');
});
