/** Asks for tables to be copied: `npx node examples/job-queue/enqueue.ts coordinate_speed_new camera_locations`. */
import { openQueue, sendSlice } from './queue.ts';

const tables = process.argv.slice(2);
if (tables.length === 0) {
  console.error('Name the tables to copy.');
  process.exitCode = 2;
} else {
  const boss = await openQueue(process.env, (error) => console.error(`queue: ${error.message}`));
  for (const table of tables) {
    const sent = await sendSlice(boss, table);
    console.log(`${table}: ${sent ? 'will be copied' : 'is asked for already'}`);
  }
  await boss.stop();
}
