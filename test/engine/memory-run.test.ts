import { expect, test } from 'vitest';
import { ResumableMigrator } from 'resumable-migrator';
import { MemoryDatabase, MemorySink, MemorySource } from 'resumable-migrator/memory';

test('a migration over the memory adapters copies every row', async () => {
  const rows = Array.from({ length: 1050 }, (_, i) => [String(i - 20), `name ${i}`]);
  const database = new MemoryDatabase();
  const table = database.createTable('t', ['id', 'name'], ['id']);
  const source = new MemorySource({
    columns: [
      { name: 'id', type: 'integer', nativeType: 'int8', nullable: false },
      { name: 'name', type: 'text', nativeType: 'text', nullable: true },
    ],
    key: ['id'],
    rows,
  });
  const migrator = new ResumableMigrator({ source, sink: new MemorySink({ database, table: 't' }), checkpointSize: 100, batchSize: 7, pageSize: 30 });
  const events: string[] = [];
  migrator.on('checkpoint:completed', (e) => events.push(`${e.seq} ${e.rows}`));
  const result = await migrator.run();
  expect(result.status).toBe('completed');
  expect(result.rows).toBe(1050);
  expect(events).toHaveLength(11);
  expect([...table.rows.values()].toSorted((a, b) => Number(a[0]) - Number(b[0]))).toEqual(rows);
  expect((await migrator.verify()).equal).toBe(true);
});
