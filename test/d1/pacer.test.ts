import { expect, test } from 'vitest';
import { D1RestDatabase } from 'resumable-migrator/d1';
import { RequestPacer, type Ticket } from '../../src/d1/rest/pacer.ts';

/** A clock that a test moves. */
class Clock {
  now = 1_000;
  readonly read = (): number => this.now;
}

function headers(left: number, seconds: number, policy = '"default";q=1200;w=300'): Headers {
  return new Headers({ ratelimit: `"default";r=${left};t=${seconds}`, 'ratelimit-policy': policy });
}

/** A request that may go out at once. */
function ticket(pacer: RequestPacer): Ticket {
  const admitted = pacer.admit();
  if (typeof admitted === 'number') throw new Error(`not admitted for ${admitted} ms`);
  return admitted;
}

/** Sends as fast as the pacer allows for so long; the times at which requests went out. */
function send(
  pacer: RequestPacer,
  clock: Clock,
  milliseconds: number,
  answer?: () => Headers | undefined,
): number[] {
  const end = clock.now + milliseconds;
  const sent: number[] = [];
  while (clock.now < end) {
    let admitted: Ticket | number;
    try {
      admitted = pacer.admit();
    } catch (error) {
      admitted = (error as { retryAfterMs: number }).retryAfterMs;
    }
    if (typeof admitted === 'number') clock.now += admitted;
    else {
      sent.push(clock.now);
      pacer.answered(admitted, answer?.());
      clock.now += 5;
    }
  }
  return sent;
}

/** The most requests in any window. */
function most(sent: readonly number[], windowMs: number): number {
  return Math.max(...sent.map((start) => sent.filter((at) => at >= start && at < start + windowMs).length));
}

test('a migration that fits into the quota is not slowed down', () => {
  const clock = new Clock();
  const sent = send(new RequestPacer({ requests: 1_200, windowMs: 300_000 }, clock.read), clock, 4_000);
  expect(sent).toHaveLength(800);
});

test('no window has more requests than the quota, and the last of them are spread', () => {
  const clock = new Clock();
  const start = clock.now;
  const sent = send(new RequestPacer({ requests: 1_200, windowMs: 300_000 }, clock.read), clock, 600_000);
  for (const n of [0, 1]) {
    const inWindow = sent.filter((at) => at >= start + n * 300_000 && at < start + (n + 1) * 300_000);
    expect(inWindow.length).toBeLessThanOrEqual(1_200);
    expect(inWindow.length).toBeGreaterThan(1_150);
  }
  const gaps = sent.slice(1_000, 1_100).map((at, index) => at - (sent[999 + index] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThan(1_000);
});

test('where answers say that others use the quota too, less is sent', () => {
  const clock = new Clock();
  let others = 0;
  let used = 0;
  const end = clock.now + 300_000;
  const sent = send(
    new RequestPacer({ requests: 1_200, windowMs: 300_000 }, clock.read),
    clock,
    300_000,
    () => {
      used += 1;
      others += 1; // another process sends one for each of ours
      return headers(Math.max(0, 1_200 - used - others), Math.max(1, Math.ceil((end - clock.now) / 1000)));
    },
  );
  expect(sent.length).toBeLessThanOrEqual(601);
  expect(sent.length).toBeGreaterThan(550);
});

test('requests in flight count, whatever an older answer says', () => {
  const clock = new Clock();
  // Nothing is known of the quota before the first answer.
  const pacer = new RequestPacer({ requests: Infinity, windowMs: 1_000 }, clock.read);
  const [first] = Array.from({ length: 8 }, () => ticket(pacer));
  // It was counted before the other seven arrived there: two are left, not nine.
  if (first) pacer.answered(first, headers(9, 1, '"default";q=10;w=1'));
  expect(pacer.admit()).toBeGreaterThan(0);
});

test('a policy that the answers tell takes the place of the default', () => {
  const clock = new Clock();
  const pacer = new RequestPacer({ requests: Infinity, windowMs: 300_000 }, clock.read);
  expect(send(pacer, clock, 50)).toHaveLength(10);
  pacer.answered(ticket(pacer), headers(0, 7, '"default";q=100;w=10'));
  expect(() => pacer.admit()).toThrow(
    // Seven seconds as the API says, and one because its seconds are rounded.
    expect.objectContaining({ code: 'SINK_RATE_LIMITED', retryAfterMs: 8_000 }),
  );
  clock.now += 7_000;
  expect(most(send(pacer, clock, 9_999), 10_000)).toBeLessThanOrEqual(100);
});

test('a refusal stops every request for as long as it says, and for a tenth of the window where it says nothing', () => {
  const clock = new Clock();
  const pacer = new RequestPacer({ requests: 1_200, windowMs: 300_000 }, clock.read);
  expect(pacer.refused(1_500)).toBe(1_500);
  expect(pacer.admit()).toBe(1_500);
  clock.now += 1_500;
  ticket(pacer);
  expect(pacer.refused(undefined)).toBe(30_000);
  expect(() => pacer.admit()).toThrow(
    expect.objectContaining({
      code: 'SINK_RATE_LIMITED',
      retryable: true,
      ambiguous: false,
      retryAfterMs: 30_000,
    }),
  );
});

test('an answer that was long under way does not bring back what was sent since', () => {
  const clock = new Clock();
  const pacer = new RequestPacer({ requests: 40, windowMs: 3_000 }, clock.read);
  const slow = ticket(pacer);
  for (let n = 2; n <= 30; n += 1) pacer.answered(ticket(pacer), headers(40 - n, 3, '"default";q=40;w=3'));
  // It was counted as the first, and answered as the last: ten are left, not 39.
  pacer.answered(slow, headers(39, 3, '"default";q=40;w=3'));
  expect(send(pacer, clock, 2_500).length).toBeLessThanOrEqual(10);
});

test('an answer of a window that is over does not shorten the next one', () => {
  const clock = new Clock();
  const pacer = new RequestPacer({ requests: 40, windowMs: 3_000 }, clock.read);
  const slow = ticket(pacer);
  clock.now += 3_000;
  for (let n = 1; n <= 39; n += 1) {
    const admitted = pacer.admit();
    if (typeof admitted === 'number') clock.now += admitted;
    else pacer.answered(admitted, headers(40 - n, 3, '"default";q=40;w=3'));
  }
  const before = clock.now;
  pacer.answered(slow, headers(39, 1, '"default";q=40;w=3'));
  expect(send(pacer, clock, 1_500).length).toBeLessThanOrEqual(2);
  expect(clock.now).toBeGreaterThanOrEqual(before);
});

test('whoever asks is told of the waiting for the quota, and of nothing where there is none', async () => {
  const result = { success: true, results: { columns: [], rows: [] }, meta: { changes: 0 } };
  const answer = JSON.stringify({ success: true, errors: [], messages: [], result: [result] });
  const waitsOf = async (requests: number): Promise<readonly number[]> => {
    const waits: number[] = [];
    const database = new D1RestDatabase({
      accountId: 'a',
      databaseId: 'd',
      apiToken: `waits-${requests}`,
      quota: { requests, windowMs: 300 },
      fetch: () => Promise.resolve(new Response(answer)),
    }).withSignal(new AbortController().signal, (milliseconds) => waits.push(milliseconds));
    for (let sent = 0; sent < 50 && waits.length === 0; sent += 1) await database.prepare('SELECT 1').all();
    return waits;
  };
  expect(await waitsOf(1_000)).toEqual([]);
  const [first = 0] = await waitsOf(5);
  expect(first).toBeGreaterThan(0);
});
