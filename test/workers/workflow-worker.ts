// The example, with its D1 observed, and with its instances within reach of the test.
import type { WorkflowStep } from 'cloudflare:workers';
import example, { CopyTable as Example, type Environment } from '../../examples/worker-workflow/worker.ts';
import { addressFor, type Observed, ObservedD1 } from './observed-d1.ts';

export class CopyTable extends Example {
  override async run(event: Parameters<Example['run']>[0], step: WorkflowStep): ReturnType<Example['run']> {
    const { HYPERDRIVE, ...env } = this.env as Environment & Observed;
    const { table } = event.payload;
    const DB = new ObservedD1(this.env as Environment & Observed, table);
    let attempt = 0;
    const observed = {
      ...env,
      DB,
      /** Each try of a step asks for it once. */
      get HYPERDRIVE() {
        attempt += 1;
        DB.attempt = attempt;
        return addressFor(HYPERDRIVE, { table, attempt });
      },
    };
    const output = await new Example(this.ctx, observed).run(event, step);
    await DB.report();
    return output;
  }
}

export default {
  async fetch(request: Request, env: Environment): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const id = searchParams.get('instance');
    if (id === null) return await example.fetch(request, env);
    const instance = await env.COPIES.get(id);
    // Cloudflare goes on with an instance whose machine has died; the local runtime does at the next event.
    if (pathname === '/wake') await instance.sendEvent({ type: 'wake', payload: null });
    return Response.json(await instance.status());
  },
};
