// The example, with its D1 and its messages observed, and a consumer of the dead letters, which the test reads in D1.
import type { MessageBatch } from '@cloudflare/workers-types';
import example, { type Environment, type Task } from '../../examples/worker-queue/worker.ts';
import { addressFor, type Observed, ObservedD1 } from './observed-d1.ts';

export default {
  fetch: async (request: Request, env: Environment): Promise<Response> => await example.fetch(request, env),

  async queue(batch: MessageBatch<Task>, env: Environment & Observed): Promise<void> {
    for (const { body, attempts } of batch.messages) {
      if (batch.queue === 'copy-slices-dead') {
        await env.DB.prepare('INSERT INTO dead VALUES (?)').bind(JSON.stringify(body)).all();
        continue;
      }
      const DB = new ObservedD1(env, body.table);
      DB.attempt = attempts;
      const HYPERDRIVE = addressFor(env.HYPERDRIVE, { table: body.table, attempt: attempts });
      const SLICES: Environment['SLICES'] = {
        sendBatch: async (...messages) => await env.SLICES.sendBatch(...messages),
        send: async (...message) => {
          DB.sent += 1;
          return await env.SLICES.send(...message);
        },
      };
      // One message a batch, as it is configured.
      await example.queue(batch, { ...env, DB, HYPERDRIVE, SLICES });
      await DB.report();
    }
  },
};
