import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from 'miniflare';
import { unstable_getMiniflareWorkerOptions as readOptions } from 'wrangler';
import type { ExtraWorker } from './d1.ts';

/** What a wrangler.jsonc says of a Worker, as the local workerd takes it: all but its databases and connections. */
export function workerOptions(configuration: URL): Required<Pick<ExtraWorker, 'bindings' | 'miniflare'>> {
  // Wrangler wants one, and whoever asks here has another.
  process.env['CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE'] ??=
    'postgresql://user:password@localhost/none';
  const all = readOptions(fileURLToPath(configuration)).workerOptions as WorkerOptions;
  const { bindings = {}, compatibilityDate, compatibilityFlags, durableObjects } = all;
  const { queueProducers, queueConsumers } = all;
  const workflows = Object.entries((all.workflows ?? {}) as Record<string, object>).map(
    ([binding, workflow]) => {
      // What Cloudflare does by default since May 2026; the local engine has an older date of its own.
      return [
        binding,
        { ...workflow, compatibilityFlags: ['workflows_preserve_non_retryable_error_message'] },
      ];
    },
  );
  return {
    bindings,
    miniflare: {
      compatibilityDate,
      compatibilityFlags,
      durableObjects,
      workflows: Object.fromEntries(workflows) as object,
      queueProducers,
      queueConsumers,
    },
  };
}
