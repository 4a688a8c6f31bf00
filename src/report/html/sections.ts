import { showKey } from '../../errors.ts';
import { advice } from '../advice.ts';
import { bytes, count, counted, elapsed, moment, showRange } from '../format.ts';
import type { MigrationRecord, RecordedDifference } from '../record.ts';
import { type Html, html, table } from './markup.ts';
import { differs, labels, sentenceOf, type State, stateOf } from './state.ts';
import { strip } from './strip.ts';
import { timeline } from './timeline.ts';

/** Failures that are shown in full; the rest is counted. */
const shownFailures = 20;

/** One migration, with everything that was recorded of it. */
export function migrationSection(record: MigrationRecord, id: string): Html {
  const { source, sink, delivery } = record;
  const way =
    source === null || sink === null
      ? html``
      : html`<p class="way">
          <bdi>${source}</bdi> <span aria-label="to">→</span>
          <bdi>${sink}</bdi>${delivery === null ? '' : `, ${delivery}`}
        </p>`;
  return html`<article id="${id}" aria-labelledby="${id}-title">
    <header>
      <h2 id="${id}-title">${nameOf(record)}</h2>
      ${badge(stateOf(record))}
    </header>
    ${way}
    <p>${sentenceOf(record)}</p>
    ${keyFigures(record)}${failures(record)}${verification(record)}${timeline(record)}${strip(record)}${details(record)}
  </article> `;
}

export function nameOf({ migration }: MigrationRecord): Html {
  return migration === '' ? html`<em>no name</em>` : html`<bdi>${migration}</bdi>`;
}

export function badge(state: State): Html {
  const [sign, word] = labels[state];
  return html`<span class="badge ${state}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}

/** Milliseconds in which runs were going on; those that have not ended count up to the record. */
export function runTime({ runs, recordedAt }: MigrationRecord): number {
  return runs.reduce(
    (sum, { endedAt, startedAt, milliseconds }) =>
      sum + (endedAt === null ? Math.max(0, Date.parse(recordedAt) - Date.parse(startedAt)) : milliseconds),
    0,
  );
}

function keyFigures(record: MigrationRecord): Html {
  const { progress, totals, totalRows, checkpointSize, verification: compared } = record;
  const time = runTime(record);
  const facts: (readonly [string, string, string])[] = [];
  if (progress) {
    const { total, completed } = progress.checkpoints;
    const estimate =
      totalRows !== null && totalRows > progress.rows ? `of about ${count(totalRows)}` : 'in all runs';
    facts.push(['Rows copied', count(progress.rows), estimate]);
    const size = checkpointSize === null ? '' : `, up to ${count(checkpointSize)} rows each`;
    facts.push(['Checkpoints', count(completed), `of ${count(total)}${size}`]);
    if (progress.rejected > 0)
      facts.push(['Set aside', count(progress.rejected), 'rows that cannot be copied']);
  }
  if (totals.runs > 0) {
    facts.push(['Time', elapsed(time), counted(totals.runs, 'run')]);
    if (totals.rows > 0 && time > 0)
      facts.push([
        'Rows a second',
        count((totals.rows * 1_000) / time),
        `${counted(totals.rows, 'row')} in ${totals.runs === 1 ? 'this run' : 'these runs'}`,
      ]);
    facts.push([
      'Batches',
      count(totals.batches),
      totals.batches === 0 ? '' : `${count(totals.rows / totals.batches)} rows each, ${bytes(totals.bytes)}`,
    ]);
    facts.push([
      'Retries',
      count(totals.retries),
      totals.retries === 0 ? 'none was needed' : `${elapsed(totals.retryDelayMs)} of waiting`,
    ]);
  }
  if (compared) {
    const part = compared.complete ? '' : ', in part';
    facts.push([
      'Compared',
      differs(compared) ? 'differs' : 'the same',
      (compared.mode === 'full' ? 'every value' : 'numbers of rows') + part,
    ]);
  }
  if (facts.length === 0) return html``;
  return html`<dl class="facts">
    ${facts.map(
      ([name, value, more]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}<small>${more}</small></dd>
        </div>`,
    )}
  </dl>`;
}

function failures({ failures: failed, error, progress }: MigrationRecord): Html {
  if (failed.length === 0 && error === null) return html``;
  const all = Math.max(failed.length, progress?.checkpoints.failed ?? 0);
  const stopped =
    error &&
    html`<li>
      <p class="code">${error.code ?? 'Error'}</p>
      <p><bdi>${error.message}</bdi></p>
      ${whatToDo(error.help ?? adviceFor(error.code))}
    </li>`;
  const listed = failed.slice(0, shownFailures);
  const codes = [...new Set(listed.map(({ code }) => code))].map((code) => {
    const entries = listed
      .filter((failure) => failure.code === code)
      .map(({ seq, range, cursor, message, at }) => {
        const stood = cursor ? `, copied up to ${showKey(cursor)}` : '';
        const place = `Checkpoint ${count(seq)}, keys ${showRange(range)}${stood}`;
        return html`<li>
          <span class="muted"><bdi>${place}</bdi>${at === null ? '' : `, ${moment(at)}`}</span><br />
          <bdi>${message}</bdi>
        </li>`;
      });
    return html`<li>
      <p class="code">${code}</p>
      <ul>
        ${entries}
      </ul>
      ${whatToDo(adviceFor(code))}
    </li>`;
  });
  const more =
    all > listed.length
      ? html`<p class="muted">
          And ${count(all - listed.length)} more. migrator.checkpoints({ status: 'failed' }) lists all.
        </p>`
      : html``;
  return html`<section class="notice bad">
    <h3>What failed</h3>
    <ul class="plain">
      ${stopped ?? html``}${codes}
    </ul>
    ${more}
  </section>`;
}

function adviceFor(code: string | null): string | null {
  return code !== null && Object.hasOwn(advice, code)
    ? ((advice as Readonly<Record<string, string>>)[code] ?? null)
    : null;
}

function whatToDo(help: string | null): Html {
  return help === null ? html`` : html`<p><b>What to do:</b> ${help}</p>`;
}

const differenceWords: Readonly<Record<RecordedDifference['kind'], string>> = {
  missing: 'only in the source',
  different: 'other values',
  extra: 'only in the sink',
  count: 'other number of rows',
};

function verification({ verification: found }: MigrationRecord): Html {
  if (!found) return html``;
  const { mode, complete, counts, differingCheckpoints, sourceRows, sinkRows, examples, at } = found;
  const bad = differs(found);
  const facts: [string, string][] = [];
  if (counts) {
    facts.push(
      ['Only in the source', count(counts.missing)],
      ['Other values', count(counts.different)],
      ['Only in the sink', count(counts.extra)],
    );
  } else facts.push(['Checkpoints that differ', count(differingCheckpoints ?? 0)]);
  if (sourceRows !== null) facts.push(['Rows in the source', count(sourceRows)]);
  if (sinkRows !== null) facts.push(['Rows in the sink', count(sinkRows)]);
  facts.push([
    'Checkpoints compared',
    `${count(found.checkedCheckpoints)} of ${count(found.checkedCheckpoints + found.uncheckedCheckpoints)}`,
  ]);
  const rows = examples.map(({ kind, seq, place, detail }) => [
    differenceWords[kind],
    html`<bdi>${place}</bdi>`,
    html`<bdi>${detail}</bdi>`,
    seq === null ? 'none' : count(seq),
  ]);
  const head = ['what', ...(mode === 'full' ? ['key', 'columns'] : ['keys', 'rows']), 'checkpoint'];
  // Of a key of the sink's own the counts alone are known.
  const elsewhere = bad && rows.length === 0 && !counts?.extra;
  const list = elsewhere
    ? html`<p>
        Nothing that was compared differs: there are rows outside of what was compared. Those that came after
        the end of the plan are copied by the next run.
      </p>`
    : rows.length === 0
      ? html``
      : table('The first differences', head, rows, ['checkpoint']);
  return html`<section class="notice ${bad ? 'bad' : complete ? 'good' : 'warn'}">
    <h3>Comparison of both sides</h3>
    <p>
      ${mode === 'full' ? 'Every value of every row was compared' : 'The numbers of rows were compared'}${complete ? '' : ', of a part only'}
      (${moment(at)}).
      ${bad ? 'They are not the same.' : complete ? 'They are the same.' : 'What was compared is the same.'}
    </p>
    <dl class="facts small">
      ${facts.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
    ${list}
  </section>`;
}

const limitReasons: Readonly<Record<string, string>> = {
  'too-much': 'the sink could not take so many at once',
  slow: 'a batch took too long',
  recovered: 'batches went well, so larger ones were tried',
};

/** What only some readers look for. */
function details({ retries, limits, totals, rejects, runs }: MigrationRecord): Html {
  const parts: Html[] = [];
  const add = (title: string, content: Html): void => {
    parts.push(
      html`<details>
        <summary>${title}</summary>
        ${content}
      </details>`,
    );
  };
  if (retries.length > 0) {
    const head = ['code', 'operation', 'times', 'first', 'last', 'message'];
    const rows = retries.map(({ code, operation, count: times, firstAt, lastAt, message }) => [
      code,
      operation,
      count(times),
      moment(firstAt),
      moment(lastAt),
      html`<bdi>${message}</bdi>`,
    ]);
    add(`What was tried again (${count(totals.retries)})`, table('Retries', head, rows, ['times']));
  }
  if (limits.length > 0) {
    const shown = (rows: number | null): string => (rows === null ? 'as many as fit' : count(rows));
    const rows = limits.map(({ at, rows: now, previous, reason }) => [
      moment(at),
      shown(previous),
      shown(now),
      limitReasons[reason] ?? reason,
    ]);
    add(
      `Limits of the batch size (${count(totals.limits)})`,
      table('Rows a batch at the most', ['at', 'before', 'then', 'why'], rows, ['before', 'then']),
    );
  }
  if (rejects.length > 0) {
    const rows = rejects.map(({ code, rows: aside, keys }) => [
      code,
      count(aside),
      html`<bdi>${keys.join(', ')}</bdi>`,
    ]);
    add('Rows that were set aside', table('Set aside', ['code', 'rows', 'first keys'], rows, ['rows']));
  }
  if (runs.length > 0) {
    const rows = runs.map((run) => [
      moment(run.startedAt),
      run.endedAt === null ? '' : moment(run.endedAt),
      run.status + (run.reason === null ? '' : ` (${run.reason})`),
      count(run.rows),
      count(run.batches),
      count(run.completedCheckpoints),
    ]);
    const head = ['began', 'ended', 'result', 'rows', 'batches', 'checkpoints'];
    add(`Runs (${count(totals.runs)})`, table('Runs that were watched', head, rows, head.slice(3)));
  }
  return html`${parts}`;
}
