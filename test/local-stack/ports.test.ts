import { expect, test } from 'vitest';
import { freePort } from '../../examples/local/ports.ts';

test('a free port is none that the system may give to a connection while its server restarts', async () => {
  const ports = await Promise.all(Array.from({ length: 40 }, freePort));
  expect(Math.max(...ports)).toBeLessThan(32_768);
  expect(new Set(ports).size).toBeGreaterThan(30);
});
