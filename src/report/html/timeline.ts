import { count, counted, elapsed } from '../format.ts';
import type { MigrationRecord } from '../record.ts';
import type { TimeSeries, TimeSlot } from '../time-series.ts';
import { type Html, html, table } from './markup.ts';

/** A slot with what the charts show of it. */
interface Shown extends TimeSlot {
  readonly startMs: number;
  readonly rate: number;
}

/** Throughput, batch sizes, and what happened, over one axis of time. */
export function timeline({ series, runs, recordedAt }: MigrationRecord): Html {
  if (!series || series.slots.length === 0) return html``;
  const end = Date.parse(runs.at(-1)?.endedAt ?? recordedAt);
  const slots = shownSlots(series, end);
  const rates = ceiling(Math.max(...slots.map(({ rate }) => rate)));
  const batches = ceiling(Math.max(...slots.map(({ largestBatch }) => largestBatch)));
  const gaps = gapsOf(series, runs);
  return html`<section class="over-time">
    <h3>Over time</h3>
    <figure>
      <figcaption><b>Rows a second</b></figcaption>
      ${plot('Rows a second over time', rates, slots, gaps, rateArea(slots, rates))}
    </figure>
    <figure>
      <figcaption>
        <b>Rows a batch</b>
        <span class="muted">bars from the smallest to the largest, the line is the average</span>
      </figcaption>
      ${plot('Rows a batch over time', batches, slots, gaps, batchBars(slots, batches), 'low')}
    </figure>
    ${marks(slots, gaps)} ${axis(series)} ${figures(slots)}
  </section>`;
}

function shownSlots({ start, slotMs, slots }: TimeSeries, end: number): Shown[] {
  const first = Date.parse(start);
  return slots.map((slot, index) => {
    const startMs = first + index * slotMs;
    // The last slot is not over: its rows came in less time. Not in so little that a batch looks like a flood.
    const over = Math.min(slotMs, Math.max(slotMs / 2, end - startMs));
    const milliseconds = index === slots.length - 1 && over > 0 ? over : slotMs;
    return { ...slot, startMs, rate: (slot.rows * 1_000) / milliseconds };
  });
}

interface Gap {
  readonly from: number;
  readonly to: number;
}

/** Where no run was going on, in slots. */
function gapsOf({ start, slotMs }: TimeSeries, runs: MigrationRecord['runs']): Gap[] {
  const at = (iso: string): number => (Date.parse(iso) - Date.parse(start)) / slotMs;
  return runs.flatMap(({ endedAt }, index) => {
    const next = runs[index + 1];
    return endedAt !== null && next ? [{ from: at(endedAt), to: at(next.startedAt) }] : [];
  });
}

function plot(
  name: string,
  top: number,
  slots: readonly Shown[],
  gaps: readonly Gap[],
  content: Html,
  height = 'high',
): Html {
  const width = slots.length;
  const bands = gaps.map(
    ({ from, to }) =>
      html`<rect class="gap" x="${figure(from)}" y="0" width="${figure(Math.max(0, to - from))}" height="100"
        ><title>No run was going on</title></rect
      >`,
  );
  const tips = slots.map((slot, index) =>
    slot.batches + slot.retries + slot.waits + slot.failures === 0
      ? html``
      : html`<rect class="tip" x="${index}" y="0" width="1" height="100"
          ><title>${tipOf(slot)}</title></rect
        > `,
  );
  return html`<div class="plot ${height}">
    <div class="y" aria-hidden="true">
      <span>${count(top)}</span><span>${top >= 2 ? count(top / 2) : ''}</span><span>0</span>
    </div>
    <svg
      viewBox="0 0 ${width} 100"
      preserveAspectRatio="none"
      role="img"
      aria-label="${name}; the table of figures below says the same"
    >
      <path class="grid" d="M0 0H${width}M0 50H${width}M0 100H${width}" />
      ${bands}${content}${tips}
    </svg>
  </div>`;
}

function rateArea(slots: readonly Shown[], top: number): Html {
  const line = slots.map(({ rate }, index) => `L${index} ${y(rate, top)}H${index + 1}`).join('');
  return html`<path class="area" d="M0 100${line}V100Z" /><path
      class="line"
      d="M0 ${y(slots[0]?.rate ?? 0, top)}${line}"
    />`;
}

function batchBars(slots: readonly Shown[], top: number): Html {
  let bars = '';
  let averages = '';
  for (const [index, { batches, rows, smallestBatch, largestBatch }] of slots.entries()) {
    if (batches === 0) continue;
    const low = Math.min(100, Number(y(smallestBatch, top)) + 1);
    bars += `M${index + 0.1} ${low}V${y(largestBatch, top)}H${index + 0.9}V${low}Z`;
    averages += `M${index} ${y(rows / batches, top)}H${index + 1}`;
  }
  return html`<path class="bars" d="${bars}" /><path class="line" d="${averages}" />`;
}

/** Retries, waits, failures and pauses, each with a sign of its own. */
function marks(slots: readonly Shown[], gaps: readonly Gap[]): Html {
  const kinds = [
    ['retries', 'Retries', '▲', 'warn', 'retry', 'retries'],
    ['waits', 'Waits', '◆', 'info', 'wait', 'waits'],
    ['failures', 'Failures', '✕', 'bad', 'failure', 'failures'],
  ] as const;
  const place = (slot: number): string => ((slot * 100) / slots.length).toFixed(2);
  const lanes = kinds.flatMap(([field, name, sign, colour, one, many]) => {
    const found = slots.flatMap((slot, index) =>
      slot[field] === 0
        ? []
        : [
            html`<span
              class="${colour}"
              style="left:${place(index + 0.5)}%"
              title="${`${counted(slot[field], one, many)} at ${clock(slot.startMs)} UTC`}"
              >${sign}</span
            >`,
          ],
    );
    const sum = slots.reduce((total, slot) => total + slot[field], 0);
    return sum === 0 ? [] : [lane(`${name} ${count(sum)}`, found)];
  });
  if (gaps.length > 0) {
    const found = gaps.map(
      ({ from, to }) =>
        html`<span
          class="muted"
          style="left:${place(Math.max(0, (from + to) / 2))}%"
          title="No run was going on"
          >‖</span
        >`,
    );
    lanes.push(lane(`Pauses ${gaps.length}`, found));
  }
  return lanes.length === 0
    ? html`<p class="calm">No retries, waits, failures or pauses.</p>`
    : html`<div class="lanes">${lanes}</div>`;
}

function lane(name: string, found: readonly Html[]): Html {
  return html`<div class="lane"><span class="name">${name}</span><span class="track">${found}</span></div>`;
}

function axis({ start, slotMs, slots }: TimeSeries): Html {
  const first = Date.parse(start);
  const length = slotMs * slots.length;
  const labels = [0, 0.5, 1].map((part) => html`<span>${label(first + length * part, length)}</span>`);
  return html`<div class="axis">
    <div>${labels}</div>
    <small class="muted">Times in UTC. One step is ${elapsed(slotMs)}.</small>
  </div>`;
}

function label(at: number, length: number): string {
  if (Number.isNaN(at)) return '';
  return length >= 86_400_000 ? new Date(at).toISOString().slice(5, 16).replace('T', ' ') : clock(at);
}

function clock(at: number): string {
  return Number.isNaN(at) ? '' : new Date(at).toISOString().slice(11, 19);
}

/** The figures of the charts, at most thirty lines: neighbours are summed. */
function figures(slots: readonly Shown[]): Html {
  const size = Math.ceil(slots.length / 30);
  const rows: string[][] = [];
  for (let first = 0; first < slots.length; first += size) {
    const group = slots.slice(first, first + size);
    const sum = (of: (slot: Shown) => number): number => group.reduce((total, slot) => total + of(slot), 0);
    const batches = sum((slot) => slot.batches);
    const sizes = group.filter((slot) => slot.batches > 0);
    rows.push([
      clock(group[0]?.startMs ?? NaN),
      count(sum((slot) => slot.rate) / group.length),
      count(sum((slot) => slot.rows)),
      count(batches),
      batches === 0
        ? ''
        : `${count(Math.min(...sizes.map((slot) => slot.smallestBatch)))}–${count(Math.max(...sizes.map((slot) => slot.largestBatch)))}`,
      batches === 0 ? '' : count(sum((slot) => slot.batchMs) / batches),
      count(sum((slot) => slot.retries)),
      count(sum((slot) => slot.failures)),
    ]);
  }
  const head = [
    'from (UTC)',
    'rows/s',
    'rows',
    'batches',
    'rows a batch',
    'ms a batch',
    'retries',
    'failures',
  ];
  return html`<details>
    <summary>The figures of these charts</summary>
    ${table('Over time, in figures', head, rows, head.slice(1))}
  </details>`;
}

function tipOf({
  startMs,
  rate,
  batches,
  rows,
  batchMs,
  slowestBatchMs,
  retries,
  waits,
  failures,
}: Shown): string {
  const parts = [`${clock(startMs)} UTC: ${count(rate)} rows/s`];
  if (batches > 0)
    parts.push(
      `${counted(batches, 'batch', 'batches')} of ${count(rows / batches)} rows, ${count(batchMs / batches)} ms each, ${count(slowestBatchMs)} ms the slowest`,
    );
  if (retries > 0) parts.push(counted(retries, 'retry', 'retries'));
  if (waits > 0) parts.push(counted(waits, 'wait'));
  if (failures > 0) parts.push(counted(failures, 'failure'));
  return parts.join('; ');
}

function y(value: number, top: number): string {
  return figure(100 - (value * 100) / top);
}

function figure(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** The next round figure: where a chart ends. */
function ceiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 1.5, 2, 3, 4, 5, 6, 8].find((step) => step * power >= value) ?? 10);
}
