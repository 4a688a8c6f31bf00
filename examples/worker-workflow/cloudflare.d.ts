// What the Worker imports from the runtime. The ambient half of @cloudflare/workers-types would change what `Request`
// and `fetch` mean in every file of a project that also runs on Node.
declare module 'cloudflare:workers' {
  import { CloudflareWorkersModule } from '@cloudflare/workers-types';
  export import WorkflowEntrypoint = CloudflareWorkersModule.WorkflowEntrypoint;
  export type WorkflowEvent<Payload> = CloudflareWorkersModule.WorkflowEvent<Payload>;
  export type WorkflowStep = CloudflareWorkersModule.WorkflowStep;
}

declare module 'cloudflare:workflows' {
  export class NonRetryableError extends Error {
    constructor(message: string, name?: string);
  }
}
