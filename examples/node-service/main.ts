/**
 * A service that copies one table, and can be asked about it. It takes the variables of the command
 * (`migrate-with-resume.ts --help`), and HOST, PORT and LOG_LEVEL.
 *
 * It begins, or goes on, by itself. SIGTERM ends it once the batch in flight is saved; a second signal ends it at once.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { publishDiagnostics } from 'resumable-migrator/node';
import { ConfigurationError, readConfiguration } from '../cli/configuration.ts';
import { createEndpoint } from './http.ts';
import { logEvents, logFailure } from './logging.ts';
import { migratorOf } from './migrator.ts';
import { Runner } from './runner.ts';
import { startTelemetry } from './telemetry.ts';

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * npm passes a Ctrl-C on that the terminal has delivered already, so one keypress can arrive twice. What follows this
 * soon is the same one.
 */
const sameKeypressMs = 1_000;

const { env } = process;
const logger = pino({ level: env['LOG_LEVEL'] ?? 'info', base: null });

try {
  await serve();
} catch (error) {
  if (!(error instanceof ConfigurationError)) throw error;
  logger.fatal({ problem: error.message }, 'the configuration is not right');
  process.exitCode = 2;
}

async function serve(): Promise<void> {
  const configuration = readConfiguration([], env);
  const [table] = configuration?.tables ?? [];
  if (!configuration || table === undefined) throw new ConfigurationError('There is no table to copy.');
  // Ended by the end of this block, whatever ends it.
  await using migrator = migratorOf(configuration, table);
  const log = logger.child({ table });
  logEvents(migrator, log);
  using stack = new DisposableStack();
  stack.defer(publishDiagnostics(migrator));
  stack.defer(startTelemetry());

  const ending = endingSignal();
  const runner = new Runner(migrator, (error) => logFailure(error, log));
  const server = createEndpoint(runner, () => !ending.aborted);
  // Only this machine, unless told otherwise: whoever reaches the endpoint may start and pause the copy.
  server.listen(Number(env['PORT'] ?? 8_080), env['HOST'] ?? '127.0.0.1');
  await once(server, 'listening');
  log.info({ port: (server.address() as AddressInfo).port }, 'listening');
  runner.start();

  if (!ending.aborted) await once(ending, 'abort');
  await runner.pause();
  server.close();
  server.closeAllConnections();
  log.info({ state: runner.status().state }, 'ended');
}

/** Aborts at the first signal; the second ends the process, which loses nothing that D1 has confirmed. */
function endingSignal(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) {
        first = performance.now();
        logger.info({ signal: name }, 'ending: the batch in flight is finished and saved');
        controller.abort();
      } else if (performance.now() - first > sameKeypressMs) {
        logger.warn({ signal: name }, 'ended at once');
        process.exit(exitCodes[name]);
      }
    });
  }
  return controller.signal;
}
