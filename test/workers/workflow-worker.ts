// The example, with its D1 observed, and with its instances within reach of the test.
import type { WorkflowStep } from 'cloudflare:workers';
import example, { CopyTable as Example, type Environment } from '../../examples/worker-workflow/worker.ts';
import { type Observed, ObservedD1 } from './observed-d1.ts';

export class CopyTable extends Example {
  override async run(event: Parameters<Example['run']>[0], step: WorkflowStep): ReturnType<Example['run']> {
    const DB = new ObservedD1(this.env as Environment & Observed, event.payload.table);
    const output = await new Example(this.ctx, { ...this.env, DB }).run(event, step);
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
