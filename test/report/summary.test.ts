import MarkdownIt from 'markdown-it';
import { expect, test } from 'vitest';
import { type GroupResult, MigratorError, type Progress, type RunResult } from 'resumable-migrator';
import { renderSummary } from 'resumable-migrator/report';

const progress: Progress = {
  migration: 'coordinate_speed_new',
  checkpoints: { total: 45, completed: 45, inProgress: 0, pending: 0, failed: 0 },
  rows: 2_210_059,
  written: 2_210_059,
  rejected: 0,
  percent: 100,
  lastCompleted: null,
  next: null,
  failures: [],
};
const completed: RunResult = {
  migration: 'coordinate_speed_new',
  status: 'completed',
  reason: null,
  resumeAt: null,
  rows: 1_500_000,
  written: 1_500_000,
  rejected: 0,
  batches: 150,
  completedCheckpoints: 30,
  milliseconds: 61_000,
  failures: [],
  progress,
};
const half: Progress = {
  ...progress,
  migration: 'camera_locations',
  checkpoints: { total: 8, completed: 3, inProgress: 1, pending: 2, failed: 2 },
  rows: 66_000,
  percent: 37.5,
};
const failures: RunResult['failures'] = [3, 7].map((seq) => ({
  seq,
  range: { lower: null, upper: ['9'] },
  cursor: null,
  code: 'SINK_UNREACHABLE',
  message: `No answer (checkpoint ${seq}).`,
}));
const groupTotals = {
  tables: 3,
  completed: 1,
  paused: 0,
  failed: 1,
  skipped: 1,
  rows: 1_501_000,
  written: 1_501_000,
  rejected: 4,
  batches: 151,
  completedCheckpoints: 31,
};

test('a run that completed is a line with a full bar, its rows and its rate', () => {
  expect(renderSummary(completed)).toMatchInlineSnapshot(`
    "### ✅ Migration completed

    It took 1 min 1 s.

    | Table | Status | Checkpoints | Rows | In this run | Rate |
    | --- | --- | --- | ---: | ---: | ---: |
    | coordinate_speed_new | ✅ completed | \`████████████████████\` 45 of 45 | 2,210,059 | 1,500,000 | 24,590 rows/s |
    "
  `);
});

test('a run that its budget ended says that the next one goes on, and a used-up quota from when on', () => {
  const paused: RunResult = { ...completed, status: 'paused', reason: 'budget', progress: half, rows: 0 };
  expect(renderSummary(paused)).toMatchInlineSnapshot(`
    "### ⏸️ Migration paused

    It took 1 min 1 s. The time that the run was given is used up. What was copied is saved; the next run goes on.

    | Table | Status | Checkpoints | Rows | In this run | Rate |
    | --- | --- | --- | ---: | ---: | ---: |
    | coordinate_speed_new | ⏸️ paused | \`███████░░░░░░░░░░░░░\` 3 of 8 | 66,000 | 0 |  |
    "
  `);
  const quota = { ...paused, reason: 'quota', resumeAt: new Date('2026-11-25T00:00:00Z') } as const;
  expect(renderSummary(quota)).toContain(
    'A quota of the sink is used up. Rows are taken again from 2026-11-25T00:00:00.000Z on. What was copied is saved; the next run goes on.',
  );
});

test.each(['failed', 'paused'] as const)(
  'a run that %s before it asked how far the migration is does not say that it is nowhere',
  (status) => {
    const none = { total: 0, completed: 0, inProgress: 0, pending: 0, failed: 0 };
    const nowhere: Progress = { ...progress, checkpoints: none, rows: 0, percent: 0 };
    const early: RunResult = { ...completed, status, rows: 0, progress: nowhere };
    expect(renderSummary(early)).toContain(`${status} |  |  | 0 |  |`);
    expect(renderSummary({ ...early, status: 'completed' })).toContain('completed | none | 0 | 0 |  |');
  },
);

test('a group shows every table, what failed with what to do, what was not begun, and rows that were set aside', () => {
  const error = new MigratorError('SINK_UNREACHABLE', 'No answer.', {
    help: 'Check the address.',
    migration: 'camera_locations',
  });
  const failed: RunResult = {
    ...completed,
    migration: 'camera_locations',
    status: 'failed',
    rows: 1_000,
    milliseconds: 2_000,
    failures,
    progress: { ...half, rejected: 4 },
  };
  const group: GroupResult = {
    status: 'failed',
    reason: null,
    resumeAt: null,
    milliseconds: 63_000,
    tables: [
      { migration: 'coordinate_speed_new', status: 'completed', result: completed },
      { migration: 'camera_locations', status: 'failed', error, result: failed },
      {
        migration: 'shots',
        status: 'skipped',
        reason: 'parents',
        parents: ['camera_locations'],
        message: 'camera_locations is not complete.',
      },
    ],
    totals: groupTotals,
  };
  expect(renderSummary(group)).toMatchInlineSnapshot(`
    "### ❌ Migration failed: 1 of 3 tables are complete

    It took 1 min 3 s. What was copied is saved; the next run tries again what failed.

    | Table | Status | Checkpoints | Rows | In this run | Rate |
    | --- | --- | --- | ---: | ---: | ---: |
    | coordinate_speed_new | ✅ completed | \`████████████████████\` 45 of 45 | 2,210,059 | 1,500,000 | 24,590 rows/s |
    | camera_locations | ❌ failed | \`███████░░░░░░░░░░░░░\` 3 of 8 | 66,000 | 1,000 | 500 rows/s |
    | shots | ⏸️ not begun |  |  |  |  |

    - ❌ camera_locations: SINK_UNREACHABLE: No answer. (migration "camera_locations") **Check the address.**
      - checkpoint 7: SINK_UNREACHABLE: No answer (checkpoint 7).
    - ⚠️ camera_locations: 4 rows were set aside. **\`rejects()\` lists them with their reasons.**
    - ⏸️ shots: camera_locations is not complete.
    "
  `);
});

test('progress without a run has no column of one, and says of each table how it stands', () => {
  const none = {
    ...progress,
    migration: 'new',
    rows: 0,
    checkpoints: { ...progress.checkpoints, total: 0, completed: 0 },
  };
  const running: Progress = {
    ...half,
    migration: 'running',
    checkpoints: { total: 8, completed: 3, inProgress: 1, pending: 4, failed: 0 },
  };
  const tables = [progress, { ...half, failures }, none, running];
  const { checkpoints, rows, written, rejected, percent } = half;
  expect(renderSummary({ tables, checkpoints, rows, written, rejected, percent })).toMatchInlineSnapshot(`
    "### 📊 Progress

    | Table | Status | Checkpoints | Rows |
    | --- | --- | --- | ---: |
    | coordinate_speed_new | ✅ completed | \`████████████████████\` 45 of 45 | 2,210,059 |
    | camera_locations | ❌ 2 failed | \`███████░░░░░░░░░░░░░\` 3 of 8 | 66,000 |
    | new | ⏸️ not begun | none | 0 |
    | running | 🔄 in progress | \`███████░░░░░░░░░░░░░\` 3 of 8 | 66,000 |

    - ❌ camera_locations: 2 checkpoints failed. **The next run tries again.**
      - checkpoint 3: SINK_UNREACHABLE: No answer (checkpoint 3).
      - checkpoint 7: SINK_UNREACHABLE: No answer (checkpoint 7).
    "
  `);
  expect(renderSummary(progress)).toContain('| coordinate_speed_new | ✅ completed |');
});

test('a bar is full where every checkpoint is completed, and not before', () => {
  const almost = { ...progress, percent: 99.99, checkpoints: { ...progress.checkpoints, completed: 44 } };
  expect(renderSummary(almost)).toContain(`${'█'.repeat(19)}░`);
  expect(renderSummary(progress)).not.toContain('░');
});

test('of many failures the first five are listed, and the rest is counted', () => {
  const many = Array.from({ length: 9 }, () => failures).flat();
  const lines = renderSummary({ ...completed, status: 'failed', failures: many }).split('\n');
  expect(lines.filter((line) => line.startsWith('  - checkpoint'))).toHaveLength(5);
  expect(lines).toContain('  - and 13 more');
});

const hostile = 'a|b\n# `c` <img src=x> [d](https://e) $f$ **g** &lt; @h ![i](j) ~~k~~ \\';

test('names and messages are shown as they are, and make no cells, elements, links or headings', () => {
  const failure = { ...failures[0], message: hostile } as (typeof failures)[number];
  const text = renderSummary({ ...completed, migration: hostile, failures: [failure] });
  const html = new MarkdownIt({ html: true, linkify: false }).render(text);
  expect(html.match(/<td/g)).toHaveLength(6);
  expect(html).not.toMatch(/<img|<a |<h1|<del|<s>|<strong>g/);
  // What a reader sees is the text, its line break as an escape.
  const shown = html
    .replace(/<[^>]+>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
  expect(shown.split(hostile.replace('\n', '\\u000a'))).toHaveLength(4);
});

test('a name that is not escaped would be noticed', () => {
  const html = new MarkdownIt({ html: true }).render(`| a |\n| --- |\n| ${hostile.replace(/[|\n]/g, ' ')} |`);
  expect(html).toMatch(/<img/);
});
