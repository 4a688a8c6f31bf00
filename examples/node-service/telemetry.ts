import {
  context,
  metrics,
  type MeterProvider,
  type Span,
  SpanStatusCode,
  trace,
  type TracerProvider,
} from '@opentelemetry/api';
import type { MigrationEventSource, RunResult } from 'resumable-migrator';
import { subscribeDiagnostics } from 'resumable-migrator/node';

/** Default: what the process has registered; nothing is recorded where it has not. */
export interface TelemetryOptions {
  readonly tracerProvider?: TracerProvider;
  readonly meterProvider?: MeterProvider;
}

const scope = 'resumable-migrator';

/**
 * Makes spans and metrics of what migrators publish. A run is a span, each of its batches a span below it; retries, and
 * checkpoints that fail or are lost, are events of the run's span.
 *
 * Attributes are counts, codes and names. Keys and messages are left out: they may hold values of rows.
 *
 * @returns A function that ends the listening, and the spans of runs that have not ended.
 */
export function startTelemetry({ tracerProvider, meterProvider }: TelemetryOptions = {}): () => void {
  const tracer = (tracerProvider ?? trace).getTracer(scope);
  const meter = (meterProvider ?? metrics).getMeter(scope);
  const rows = meter.createCounter('migration.rows', {
    description: 'Rows of the source that are durably dealt with',
    unit: '{row}',
  });
  const batches = meter.createCounter('migration.batches', {
    description: 'Batches that are durably in the sink',
    unit: '{batch}',
  });
  const retries = meter.createCounter('migration.retries', {
    description: 'Calls that failed and are tried again',
    unit: '{retry}',
  });
  const durations = meter.createHistogram('migration.batch.duration', {
    description: 'From sending a batch to knowing that it is in',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
  });
  const runs = new Map<MigrationEventSource, Span>();

  const stops = [
    subscribeDiagnostics('run:start', ({ migrator, attributes, payload }) => {
      const { migration, runId, source, sink, delivery, concurrency } = payload;
      const span = tracer.startSpan('migration.run', {
        attributes: {
          ...attributes,
          'migration.name': migration,
          'migration.run.id': runId,
          'migration.source': source,
          'migration.sink': sink,
          'migration.delivery': delivery,
          'migration.concurrency': concurrency,
        },
      });
      runs.set(migrator, span);
    }),
    subscribeDiagnostics('batch:committed', ({ migrator, attributes, payload }) => {
      const { migration, milliseconds, seq, end } = payload;
      const labels = { ...attributes, 'migration.name': migration };
      rows.add(payload.rows, labels);
      batches.add(1, labels);
      durations.record(milliseconds / 1_000, labels);
      const parent = runs.get(migrator);
      const now = Date.now();
      const span = tracer.startSpan(
        'migration.batch',
        {
          startTime: now - milliseconds,
          attributes: {
            ...labels,
            'migration.checkpoint': seq,
            'migration.batch.rows': payload.rows,
            'migration.batch.written': payload.written,
            'migration.batch.rejected': payload.rejected,
            'migration.batch.bytes': payload.bytes,
            'migration.batch.end': end,
          },
        },
        parent ? trace.setSpan(context.active(), parent) : context.active(),
      );
      span.end(now);
    }),
    subscribeDiagnostics('retry', ({ migrator, attributes, payload }) => {
      const { migration, operation, attempt, delayMs, code } = payload;
      retries.add(1, {
        ...attributes,
        'migration.name': migration,
        'migration.operation': operation,
        'error.type': code,
      });
      runs.get(migrator)?.addEvent('retry', {
        'migration.operation': operation,
        'migration.retry.attempt': attempt,
        'migration.retry.delay': delayMs / 1_000,
        'error.type': code,
      });
    }),
    subscribeDiagnostics('checkpoint:failed', ({ migrator, payload: { seq, code } }) => {
      runs.get(migrator)?.addEvent('checkpoint.failed', { 'migration.checkpoint': seq, 'error.type': code });
    }),
    subscribeDiagnostics('checkpoint:lost', ({ migrator, payload: { seq } }) => {
      runs.get(migrator)?.addEvent('checkpoint.lost', { 'migration.checkpoint': seq });
    }),
    subscribeDiagnostics('run:end', ({ migrator, attributes, payload }) => {
      // A run that fails or pauses before it begins has no start; its end says how long it took.
      const span =
        runs.get(migrator) ??
        tracer.startSpan('migration.run', {
          startTime: Date.now() - payload.milliseconds,
          attributes: { ...attributes, 'migration.name': payload.migration },
        });
      runs.delete(migrator);
      endRun(span, payload);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    for (const span of runs.values()) span.end();
    runs.clear();
  };
}

function endRun(span: Span, { status, reason, rows, batches, failures }: RunResult): void {
  span.setAttributes({
    'migration.status': status,
    'migration.rows': rows,
    'migration.batches': batches,
    ...(reason === null ? {} : { 'migration.pause.reason': reason }),
  });
  if (status === 'failed') {
    const [first] = failures;
    if (first) span.setAttribute('error.type', first.code);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
