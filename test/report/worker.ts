import { ResumableMigrator } from 'resumable-migrator';
import { MemoryDatabase, MemorySink, MemorySource } from 'resumable-migrator/memory';
import { recordRun, renderReport } from 'resumable-migrator/report';

/** Copies a table in memory, and answers with the report. */
export default {
  async fetch(): Promise<Response> {
    const database = new MemoryDatabase();
    database.createTable('t', ['id'], ['id']);
    const migrator = new ResumableMigrator({
      source: new MemorySource({
        columns: [{ name: 'id', type: 'integer', nativeType: 'int8', nullable: false }],
        key: ['id'],
        rows: [['1'], ['2'], ['3']],
      }),
      sink: new MemorySink({ database, table: 't' }),
    });
    const recorder = recordRun(migrator);
    await migrator.run();
    await recorder.load();
    return new Response(renderReport([recorder.toJSON()]));
  },
};
