import { Miniflare } from 'miniflare';
import { expect, test } from 'vitest';
import { bundleWorker } from '../../examples/local/bundle-worker.ts';

test('a report is made in a Worker, without anything of Node', async () => {
  const script = await bundleWorker(new URL('worker.ts', import.meta.url));
  // Without `nodejs_compat`: what needs Node fails to start.
  const worker = new Miniflare({
    modules: true,
    script,
    compatibilityDate: '2026-06-01',
    cf: false,
    telemetry: { enabled: false },
  });
  try {
    const page = await (await worker.dispatchFetch('http://localhost/')).text();
    expect(page).toContain('Checkpoints: 1 completed, 0 in progress, 0 pending, 0 failed');
    expect(page).toMatch(/Rows copied<\/dt>\s*<dd>3/);
  } finally {
    await worker.dispose();
  }
});
