import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below what Linux, macOS and Windows hand out by themselves, to connections that go out as well (from 32768 and 49152
// on; net.ipv4.ip_local_port_range): a server that restarts on its port finds it free, whatever others do meanwhile.
const FROM = 12_000;
const TO = 32_000;

/** A port on 127.0.0.1 that was free a moment ago. Whoever binds it must be ready to try another. */
export async function freePort(): Promise<number> {
  let refused: unknown;
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = randomInt(FROM, TO);
    try {
      await listenOnce(port);
      return port;
    } catch (error) {
      refused = error;
    }
  }
  throw new Error(`No free port was found from ${FROM} to ${TO}.`, { cause: refused });
}

async function listenOnce(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  await new Promise((resolve) => server.close(resolve));
}
