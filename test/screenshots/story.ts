import { type MigratorError, isMigratorError } from 'resumable-migrator';
import { type MigrationRecord, recordRun } from 'resumable-migrator/report';
import { FAULTS } from '../../examples/local/faults.ts';
import { fillCameras, fillDrive } from '../../examples/local/sample-data.ts';
import { World } from '../support/world.ts';

/**
 * A migration of two tables, on real databases: one pauses, goes on, meets faults on the way and is damaged afterwards;
 * the other has a row that the sink does not take.
 */
export async function recordStory(): Promise<MigrationRecord[]> {
  await using world = await World.start({ api: { roundTripMs: 150 } });
  await fillDrive(world.stack.env.DATABASE_URL, 1_000_000);
  await fillCameras(world.stack.env.DATABASE_URL, 60_000);
  await world.postgres('UPDATE camera_locations SET latitude = 91.5 WHERE id = 41234', 'ANALYZE');
  await world.d1(
    'CREATE TABLE camera_locations (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, admin1 TEXT NOT NULL, latitude REAL NOT NULL CHECK (latitude BETWEEN -90 AND 90), longitude REAL NOT NULL)',
  );
  return [await drive(world), await cameras(world)];
}

async function drive(world: World): Promise<MigrationRecord> {
  const migrator = world.migrator('coordinate_speed_new', {
    source: { key: ['id'] },
    checkpointSize: 5_000,
    retry: { baseMs: 150 },
  });
  const recorder = recordRun(migrator);
  let batches = 0;
  world.stack.api.setFaults(({ bytes }) => {
    if (bytes > 50_000) batches += 1;
    else return undefined;
    if (batches === 30 || batches === 31) return FAULTS.overloaded;
    return { 90: FAULTS.badGateway, 91: FAULTS.badGateway, 150: FAULTS.resetAfterCommit }[batches];
  });
  await migrator.run({ budget: { rows: 400_000 } });
  await new Promise((resolve) => setTimeout(resolve, 700));
  await migrator.run();
  world.stack.api.setFaults(undefined);
  await world.d1('DELETE FROM coordinate_speed_new WHERE id IN (1204, 48111, 300500)');
  await world.d1('UPDATE coordinate_speed_new SET speed = speed + 1 WHERE id IN (77001, 77002)');
  await world.d1(
    "INSERT INTO coordinate_speed_new (id, latitude, longitude, speed, recorded_at) VALUES (1000001, 0, 0, 0, 'x')",
  );
  recorder.verified(await migrator.verify({ mode: 'full' }));
  await recorder.load();
  return recorder.toJSON();
}

async function cameras(world: World): Promise<MigrationRecord> {
  const migrator = world.migrator('camera_locations', { source: { key: ['id'] }, checkpointSize: 2_000 });
  const recorder = recordRun(migrator);
  await migrator.run().catch((error: unknown) => recorder.failed(expected(error)));
  await recorder.load();
  return recorder.toJSON();
}

function expected(error: unknown): MigratorError {
  if (!isMigratorError(error) || error.code !== 'CHECKPOINTS_FAILED') throw error;
  return error;
}
