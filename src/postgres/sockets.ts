import type { Socket, SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TappedSocket } from './wire-tap.ts';
import { type TcpConnect, WorkersSocket } from './workers-socket.ts';

/** Bytes that a socket reads at a time, where so many have come. */
const readBytes = 65_536;

/**
 * Makes the sockets for a pool of connections without TLS; undefined where those that pg makes have to do. Ours read into the same memory
 * again and again: thousands of buffers would keep the garbage collector busy.
 */
export function socketsFor(connectionString: string): (() => Duplex) | undefined {
  if (mayUseTls(connectionString)) return undefined;
  if (globalThis.navigator?.userAgent === 'Cloudflare-Workers') {
    const { connect } = builtin<{ readonly connect: TcpConnect }>('cloudflare:sockets');
    // The part of a Duplex that pg uses.
    return connect && (() => new WorkersSocket(connect) as unknown as Duplex);
  }
  const { Socket } = builtin<{ readonly Socket: new (options: SocketConstructorOpts) => Socket }>('node:net');
  return Socket && (() => nodeSocket(Socket));
}

function nodeSocket(make: new (options: SocketConstructorOpts) => Socket): Socket {
  const buffer = Buffer.allocUnsafeSlow(readBytes);
  const socket: Socket & Pick<TappedSocket, 'onShared'> = new make({
    onread: {
      buffer,
      callback: (count) => {
        const bytes = count === readBytes ? buffer : buffer.subarray(0, count);
        if (socket.onShared) socket.onShared(bytes);
        else socket.emit('data', Buffer.from(bytes));
        return true;
      },
    },
  });
  socket.onShared = null;
  return socket;
}

/** Not an import, which a bundler for another platform would look for. */
function builtin<Module>(name: string): Partial<Module> {
  return globalThis.process?.getBuiltinModule?.(name) ?? {};
}

/** True for an address that asks for TLS, or that leaves it to settings of the environment. */
function mayUseTls(connectionString: string): boolean {
  const { searchParams } = new URL(connectionString);
  const asked = [...searchParams].some(
    ([name, value]) => name.startsWith('ssl') && !(name === 'sslmode' && value === 'disable'),
  );
  return asked || (globalThis.process?.env['PGSSLMODE'] ?? '') !== '';
}
