import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { MigrationEvents, MigrationEventSource } from '../contract/index.ts';

/** The name of the channel of each event: `resumable-migrator:`, and the event's own name. */
export const diagnosticsChannels: { readonly [Name in keyof MigrationEvents]: `resumable-migrator:${Name}` } =
  {
    'run:start': 'resumable-migrator:run:start',
    'plan:ready': 'resumable-migrator:plan:ready',
    'checkpoint:claimed': 'resumable-migrator:checkpoint:claimed',
    'checkpoint:completed': 'resumable-migrator:checkpoint:completed',
    'checkpoint:failed': 'resumable-migrator:checkpoint:failed',
    'checkpoint:lost': 'resumable-migrator:checkpoint:lost',
    'batch:committed': 'resumable-migrator:batch:committed',
    'batch:limit': 'resumable-migrator:batch:limit',
    'row:rejected': 'resumable-migrator:row:rejected',
    progress: 'resumable-migrator:progress',
    retry: 'resumable-migrator:retry',
    wait: 'resumable-migrator:wait',
    'plan:progress': 'resumable-migrator:plan:progress',
    'verify:progress': 'resumable-migrator:verify:progress',
    'run:end': 'resumable-migrator:run:end',
    'listener:error': 'resumable-migrator:listener:error',
  };

/** Options of {@link publishDiagnostics}. */
export interface DiagnosticsOptions {
  /** What subscribers are to know besides: a tenant, a job, a region. They come with every message. Default none. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
}

/** What is published on the channel of an event. */
export interface DiagnosticsMessage<Name extends keyof MigrationEvents = keyof MigrationEvents> {
  readonly event: Name;
  /** Who told it: tells two migrators apart that copy tables of the same name. */
  readonly migrator: MigrationEventSource;
  readonly attributes: Readonly<Record<string, string>>;
  /** What a listener of `migrator.on(event)` is given. */
  readonly payload: MigrationEvents[Name];
}

/**
 * Publishes the events of a migrator on the channels of `node:diagnostics_channel` that {@link diagnosticsChannels}
 * names, so that whatever watches the process (tracing, metrics, an agent) need not know the migrator. A channel to
 * which nobody subscribed costs a comparison an event.
 *
 * A run begins with `run:start` and ends with `run:end`; one that fails before it begins has only the end. A batch has
 * its duration in `batch:committed`. A subscriber that throws is an uncaught exception of the process: that is how
 * `node:diagnostics_channel` treats all of them.
 *
 * @returns A function that ends the publishing.
 * @example
 * ```ts
 * const detach = publishDiagnostics(migrator, { attributes: { tenant: 'eu-1' } });
 * await migrator.run();
 * detach();
 * ```
 */
export function publishDiagnostics(
  migrator: MigrationEventSource,
  { attributes = {} }: DiagnosticsOptions = {},
): () => void {
  const detachers = eventNames.map((event) => publishEvent(migrator, event, attributes));
  return () => {
    for (const detach of detachers) detach();
  };
}

/**
 * Listens to the channel of one event, for all migrators of the process that publish.
 *
 * @returns A function that ends the listening.
 * @example
 * ```ts
 * const stop = subscribeDiagnostics('batch:committed', ({ payload, attributes }) =>
 *   histogram.record(payload.milliseconds, attributes),
 * );
 * ```
 */
export function subscribeDiagnostics<Name extends keyof MigrationEvents>(
  event: Name,
  listener: (message: DiagnosticsMessage<Name>) => void,
): () => void {
  const onMessage = (message: unknown): void => listener(message as DiagnosticsMessage<Name>);
  subscribe(diagnosticsChannels[event], onMessage);
  return () => {
    unsubscribe(diagnosticsChannels[event], onMessage);
  };
}

const eventNames = Object.keys(diagnosticsChannels) as (keyof MigrationEvents)[];

function publishEvent(
  migrator: MigrationEventSource,
  event: keyof MigrationEvents,
  attributes: Readonly<Record<string, string>>,
): () => void {
  // Held as long as it is published on: a channel that nobody holds may be collected, and made anew.
  const published = channel(diagnosticsChannels[event]);
  const onEvent = (payload: MigrationEvents[keyof MigrationEvents]): void => {
    if (!published.hasSubscribers) return;
    const message: DiagnosticsMessage = { event, migrator, attributes, payload };
    published.publish(message);
  };
  migrator.on(event, onEvent);
  return () => {
    migrator.off(event, onEvent);
  };
}
