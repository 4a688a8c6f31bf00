import { channel } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import type { MigrationEvents, MigrationEventSource } from 'resumable-migrator';
import {
  diagnosticsChannels,
  type DiagnosticsMessage,
  publishDiagnostics,
  subscribeDiagnostics,
} from 'resumable-migrator/node';
import { World } from '../engine/world.ts';

const eventNames = Object.keys(diagnosticsChannels) as (keyof MigrationEvents)[];
const stops: (() => unknown)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function heard(): DiagnosticsMessage[] {
  const messages: DiagnosticsMessage[] = [];
  for (const event of eventNames)
    stops.push(subscribeDiagnostics(event, (message) => messages.push(message)));
  return messages;
}

/** All that a migrator tells its own listeners. */
function told(migrator: MigrationEventSource): { event: string; payload: unknown }[] {
  const events: { event: string; payload: unknown }[] = [];
  for (const event of eventNames) migrator.on(event, (payload) => events.push({ event, payload }));
  return events;
}

test('every event has a channel, named after it', () => {
  const contract = readFileSync(new URL('../../src/contract/events.ts', import.meta.url), 'utf8');
  const body = contract.slice(contract.indexOf('export interface MigrationEvents'));
  const declared = [...body.matchAll(/^ {2}'?([a-z:]+)'?: /gm)].map((match) => match[1] ?? '');
  expect(declared.length).toBeGreaterThan(10);
  expect(eventNames.toSorted()).toEqual(declared.toSorted());
  for (const event of eventNames) expect(diagnosticsChannels[event]).toBe(`resumable-migrator:${event}`);
});

test('subscribers are told what listeners are told, in the same order, by whom, and with its attributes', async () => {
  const migrator = new World({ rows: 40, mode: 'insert' }).migrator({ name: 'mine' });
  const messages = heard();
  const events = told(migrator);
  stops.push(publishDiagnostics(migrator, { attributes: { tenant: 'eu-1' } }));
  await migrator.run();
  expect(new Set(events.map(({ event }) => event))).toEqual(
    new Set([
      'run:start',
      'plan:ready',
      'checkpoint:claimed',
      'batch:committed',
      'checkpoint:completed',
      'progress',
      'run:end',
    ]),
  );
  expect(messages.map(({ event, payload }) => ({ event, payload }))).toEqual(events);
  for (const message of messages) {
    expect(message.migrator).toBe(migrator);
    expect(message.attributes).toEqual({ tenant: 'eu-1' });
  }
});

test('channels are found by their name alone', async () => {
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator();
  const published = channel('resumable-migrator:run:end');
  const messages: unknown[] = [];
  const listener = (message: unknown, name: string | symbol): void => void messages.push({ name, message });
  published.subscribe(listener);
  stops.push(() => published.unsubscribe(listener), publishDiagnostics(migrator));
  const payload = await migrator.run();
  expect(messages).toEqual([
    {
      name: 'resumable-migrator:run:end',
      message: { event: 'run:end', migrator, attributes: {}, payload },
    },
  ]);
});

test('two migrators of the same name are told apart', async () => {
  const [one, two] = [1, 2].map((rows) => new World({ rows, mode: 'insert' }).migrator({ name: 'same' }));
  const messages = heard();
  for (const migrator of [one, two]) if (migrator) stops.push(publishDiagnostics(migrator));
  await Promise.all([one?.run(), two?.run()]);
  const rowsOf = (migrator: unknown): number[] =>
    messages.flatMap((message) =>
      message.migrator === migrator && message.event === 'run:end'
        ? [(message.payload as MigrationEvents['run:end']).rows]
        : [],
    );
  expect([rowsOf(one), rowsOf(two)]).toEqual([[1], [2]]);
});

test('after detaching nothing is published, and the listeners of others stay', async () => {
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator();
  const messages = heard();
  const detach = publishDiagnostics(migrator);
  const events = told(migrator);
  detach();
  await migrator.run();
  expect(messages).toEqual([]);
  expect(events.at(-1)?.event).toBe('run:end');
});

test('where nobody subscribes nothing is made of an event', () => {
  let read = 0;
  const listeners = new Map<string, (payload: never) => unknown>();
  const migrator: MigrationEventSource = {
    on: (event, listener) => listeners.set(event, listener),
    off: (event) => listeners.delete(event),
  };
  const options = {
    get attributes() {
      read += 1;
      return {};
    },
  };
  const detach = publishDiagnostics(migrator, options);
  expect(read).toBe(1);
  const sent: unknown[] = [];
  const published = channel(diagnosticsChannels.wait);
  const original = published.publish.bind(published);
  published.publish = (message: unknown) => {
    sent.push(message);
    original(message);
  };
  const payload = { migration: 'm', waitMs: 1 };
  listeners.get('wait')?.(payload as never);
  expect(sent).toEqual([]);
  // With a subscriber the same event is published.
  stops.push(subscribeDiagnostics('wait', () => undefined));
  listeners.get('wait')?.(payload as never);
  expect(sent).toEqual([{ event: 'wait', migrator, attributes: {}, payload }]);
  Reflect.deleteProperty(published, 'publish');
  detach();
  expect(listeners.size).toBe(0);
});

test('the type of a payload follows from the event', async () => {
  const milliseconds: number[] = [];
  const migrator = new World({ rows: 5, mode: 'insert' }).migrator();
  stops.push(
    publishDiagnostics(migrator),
    subscribeDiagnostics('batch:committed', ({ payload }) => milliseconds.push(payload.milliseconds)),
    // @ts-expect-error a retry has no milliseconds
    subscribeDiagnostics('retry', ({ payload }) => milliseconds.push(payload.milliseconds)),
  );
  await migrator.run();
  expect(milliseconds).toHaveLength(2);
});
