/** A safeguard that is taken away, and the tests of which at least one must fail then. */
export interface Mutant {
  /** What is gone. */
  readonly removes: string;
  readonly file: string;
  /** A text that stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Test files or folders. */
  readonly tests: readonly string[];
}

const d1Suite = ['test/compliance/d1.test.ts'];
const memory = [
  'test/compliance/memory.test.ts',
  'test/engine/two-processes.test.ts',
  'test/engine/interleavings.test.ts',
  'test/engine/crash-points.test.ts',
];

export const mutants: readonly Mutant[] = [
  {
    removes: 'the fence condition (D1)',
    file: 'src/d1/checkpoints/checkpoint-sql.ts',
    find: `sql\`id = \${integer(id)} AND fence_token = \${integer(fenceToken)} AND status = 'in_progress'\``,
    replace: `sql\`id = \${integer(id)} AND \${integer(fenceToken)} IS NOT NULL AND status = 'in_progress'\``,
    tests: d1Suite,
  },
  {
    removes: 'the cursor condition (D1)',
    file: 'src/d1/checkpoints/checkpoint-sql.ts',
    find: 'return sql`${held(lease)} AND ${cursor}`;',
    replace: 'return sql`${held(lease)} AND (${cursor} OR true)`;',
    tests: d1Suite,
  },
  {
    removes: 'the condition on the rows (D1)',
    file: 'src/d1/checkpoints/checkpoint-store.ts',
    find: 'condition: sql`EXISTS (',
    replace: 'condition: sql`true OR EXISTS (',
    tests: d1Suite,
  },
  {
    removes: 'the lease check (D1)',
    file: 'src/d1/checkpoints/checkpoint-sql.ts',
    find: "status = 'in_progress' AND lease_until <= ${now}",
    replace: "status = 'in_progress' AND (lease_until <= ${now} OR true)",
    tests: d1Suite,
  },
  {
    removes: 'the renewal of the lease by a batch (D1)',
    file: 'src/d1/checkpoints/checkpoint-sql.ts',
    find: '  lease_until = ${now} + ${integer(advance.leaseMs)},\n  status = ${advance.complete',
    replace: '  status = ${advance.complete',
    tests: d1Suite,
  },
  {
    removes: 'the new fence token of a claim (D1)',
    file: 'src/d1/checkpoints/checkpoint-sql.ts',
    find: 'fence_token = fence_token + 1,\n  lease_until',
    replace: 'fence_token = fence_token,\n  lease_until',
    tests: d1Suite,
  },
  {
    removes: 'the fence condition (memory)',
    file: 'src/memory/checkpoint-store.ts',
    find: 'one.fenceToken === fenceToken',
    replace: 'one.fenceToken >= fenceToken',
    tests: memory,
  },
  {
    removes: 'the cursor condition (memory)',
    file: 'src/memory/checkpoint-store.ts',
    find: "if (!held || !sameCursor(held.cursor, advance.from)) return 'stale';",
    replace: "if (!held) return 'stale';",
    tests: memory,
  },
  {
    removes: 'the lease check (memory)',
    file: 'src/memory/checkpoint-store.ts',
    find: "(checkpoint.status === 'in_progress' && checkpoint.leaseUntil <= now)",
    replace: "checkpoint.status === 'in_progress'",
    tests: memory,
  },
  {
    removes: 'the reading of the checkpoint after an answer that was lost',
    file: 'src/engine/copying/send.ts',
    find: "const end = compare(stored, advance);\n    if (end !== 'unmoved') return end;",
    replace: "const end = compare(stored, advance);\n    if (end === 'lost') return end;",
    tests: ['test/engine/lost-answers.test.ts', 'test/engine/crash-points.test.ts'],
  },
  {
    removes: 'the question whether batches are atomic',
    file: 'src/d1/decide.ts',
    find: 'isAtomic(connection, context),',
    replace: 'isAtomic(connection, context).then(() => true),',
    tests: ['test/d1/explorer.test.ts', ...d1Suite],
  },
  {
    removes: 'the refusal to append where rows may arrive again',
    file: 'src/engine/planning/survey.ts',
    find: "if (delivery === 'at-least-once' && target.mode === 'insert')",
    replace: "if (delivery === 'at-least-once' && target.mode === 'insert' && migration === '')",
    tests: ['test/engine', 'test/compliance/d1.test.ts'],
  },
  {
    removes: 'the fingerprint',
    file: 'src/engine/planning/refusals.ts',
    find: 'changed.length === 0',
    replace: 'changed.length >= 0',
    tests: ['test/engine/planning.test.ts', 'test/migration/columns.test.ts'],
  },
  {
    removes: 'the heartbeat of a slow batch',
    file: 'src/engine/copying/copy.ts',
    find: 'job.store.renew(lease, job.leaseMs, { signal: job.abort }).catch(() => undefined);',
    replace: 'job.store.identity.toString();',
    tests: ['test/engine'],
  },
  {
    removes: 'the redaction of secrets',
    file: 'src/redactor.ts',
    find: "clean.replaceAll(secret, '[redacted]')",
    replace: 'clean.replaceAll(secret, secret)',
    tests: ['test/migration/secrets.test.ts'],
  },
  {
    removes: 'the count of requests in flight from the quota',
    file: 'src/d1/rest/pacer.ts',
    find: 'Math.max(0, left - (this.#sent - number) - earlier)',
    replace: 'Math.max(0, left)',
    tests: ['test/d1/pacer.test.ts'],
  },
  {
    removes: 'the look at the catalog with every page',
    file: 'src/postgres/source.ts',
    find: 'WHERE ${unchanged(table)} AND ${rest}`;',
    replace: 'WHERE ${rest}`;',
    tests: ['test/migration/postgres-faults.test.ts'],
  },
  {
    removes: 'the listener of a connection that is in use',
    file: 'src/postgres/client.ts',
    find: "client.on?.('error', onError);",
    replace: '',
    tests: ['test/migration/postgres-faults.test.ts'],
  },
  {
    removes: 'the limit of an answer',
    file: 'src/d1/rest/response-body.ts',
    find: 'if (bytes > maxBytes) {',
    replace: 'if (bytes < 0) {',
    tests: ['test/migration/d1-faults.test.ts'],
  },
  {
    removes: 'larger batches after smaller ones',
    file: 'src/engine/copying/batch-limit.ts',
    find: "this.#set(more >= this.#ceiling ? this.#most : more, 'recovered');",
    replace: '',
    tests: ['test/engine/failures.test.ts', 'test/engine/batch-limit.test.ts'],
  },
  {
    removes: 'the look at how an answer begins (rows as they come)',
    file: 'src/postgres/wire-tap.ts',
    find: 'if (!parseComplete.every((byte, index) => chunk[index] === byte)) {',
    replace: 'if (chunk.length < 0) {',
    tests: ['test/postgres/wire-tap.test.ts'],
  },
  {
    removes: 'the place behind a page that failed half-way (rows as they come)',
    file: 'src/engine/paging.ts',
    find: 'const after = last.isEmpty ? from : last.key;',
    replace: 'const after = from;',
    tests: ['test/engine/streaming.test.ts'],
  },
  {
    removes: 'the refusal of a page without rows that is not the last (rows as they come)',
    file: 'src/engine/paging.ts',
    find: 'if (page.done) return null;',
    replace: 'if (page.done || range.upper.length > 0) return null;',
    tests: ['test/engine/streaming.test.ts'],
  },
  {
    removes: 'the wait for room before more is read (rows as they come)',
    file: 'src/engine/paging.ts',
    find: 'await room();',
    replace: 'await Promise.resolve();',
    tests: ['test/engine/streaming.test.ts'],
  },
  {
    removes: 'the row that is one more than a page (rows as they come)',
    file: 'src/postgres/page.ts',
    find: 'this.#taken >= limit || ',
    replace: 'limit < 0 || ',
    tests: ['test/compliance/postgres.test.ts'],
  },
  {
    removes: 'the end of a page behind its bytes (rows as they come)',
    file: 'src/postgres/page.ts',
    find: '(this.#careful && this.#characters >= maxBytes + portionBytes)',
    replace: '(this.#careful && maxBytes + portionBytes < 0)',
    tests: ['test/postgres/byte-rows.test.ts'],
  },
  {
    removes: 'portions that grow from a single row (rows as they come)',
    file: 'src/postgres/page.ts',
    find: 'Math.min(rows, Math.max(1, this.#taken * portionGrowth))',
    replace: 'rows',
    tests: ['test/postgres/byte-rows.test.ts'],
  },
  {
    removes: 'the look at the year of a timestamp (rows as they come)',
    file: 'src/postgres/types/in-place.ts',
    find: 'return bytes[start + 4] === dash && bytes[start + 7] === dash;',
    replace: 'return bytes.length > start;',
    tests: ['test/postgres/byte-rows.test.ts'],
  },
  {
    removes: 'the look at the length of a date (rows as they come)',
    file: 'src/postgres/types/in-place.ts',
    find: '(ends[column] as number) - (starts[column] as number) === 10',
    replace: '(ends[column] as number) - (starts[column] as number) >= 10',
    tests: ['test/postgres/byte-rows.test.ts'],
  },
  {
    removes: 'the limit of a JSON text (rows as they come)',
    file: 'src/d1/json-writer.ts',
    find: 'if (this.length + bytes > this.#limit) {',
    replace: 'if (bytes < 0) {',
    tests: ['test/d1/json-writer.test.ts'],
  },
  {
    removes: 'the limit of a JSON text in bytes of its characters (rows as they come)',
    file: 'src/d1/json-writer.ts',
    find: 'if (this.length <= this.#limit) return;',
    replace: 'if (this.#limit >= 0) return;',
    tests: ['test/d1/json-writer.test.ts'],
  },
  {
    removes: 'the dropping of what waits behind a batch that failed (rows as they come)',
    file: 'src/engine/batch-queue.ts',
    find: 'this.#waiting.length = 0;',
    replace: '',
    tests: ['test/engine/streaming.test.ts'],
  },
  {
    removes: 'the time that a batch waits for the quota (rows as they come)',
    file: 'src/engine/copying/send.ts',
    find: 'performance.now() - started - waitedMs',
    replace: 'performance.now() - started',
    tests: ['test/engine/batch-limit.test.ts'],
  },
  {
    removes: 'the limit of a JSON text (bytes of rows)',
    file: 'src/d1/json-writer.ts',
    find: 'Math.min(bytes.length, this.#limit + headroom + this.#escapes) - longestFrame',
    replace: 'bytes.length - longestFrame',
    tests: ['test/d1/json-writer.test.ts'],
  },
  {
    removes: 'the room for an escape (bytes of rows)',
    file: 'src/d1/json-writer.ts',
    find: 'if (next + longestEscape + end - index > stop) break;',
    replace: '',
    tests: ['test/d1/json-writer.test.ts'],
  },
  {
    removes: 'the copy of what a socket will overwrite',
    file: 'src/postgres/wire-tap.ts',
    find: 'return this.#isShared ? Buffer.from(bytes) : bytes;',
    replace: 'return bytes;',
    tests: ['test/postgres/wire-tap.test.ts'],
  },
  {
    removes: "the copy of a key's bytes",
    file: 'src/engine/rows/byte-row.ts',
    find: '      bytes[at] = source[index] as number;\n      at += 1;\n    }\n    this.length = at;',
    replace:
      '      at += 1;\n    }\n    this.#bytes = source.subarray(start - this.length);\n    this.length = at;',
    tests: ['test/engine/streaming.test.ts'],
  },
];
