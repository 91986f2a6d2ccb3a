import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A door in front of a TCP server that a test opens and shuts: shut, connections through it break and none is made; held,
 * they stay and nothing passes; guarded, they break and each that comes is counted and turned away.
 */
export class TcpGate {
  /** The door's own port, the same over all its life. */
  readonly port: number;
  /** When each connection came since it was guarded first, in milliseconds of a clock that only rises. */
  readonly dialsMs: number[] = [];
  readonly #target: number;
  /** Each socket with the one that gets what it says. */
  readonly #sockets = new Map<Socket, Socket>();
  #held = false;
  #guarded = false;
  #counts = false;
  #server: Server | undefined;

  /** @param port where it stands, free at the moment */
  constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    const server = createServer((near) => {
      if (this.#counts) this.dialsMs.push(performance.now());
      if (this.#guarded) {
        near.on('error', () => {});
        near.destroy();
        return;
      }
      const far = connect(this.#target, '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.set(socket, other);
        if (!this.#held) socket.pipe(other);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
  }

  async shut(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets.keys()) socket.destroy();
    await closed;
  }

  /** As a server that went away, of which one can still see how often it is asked for. */
  guard(): void {
    [this.#guarded, this.#counts] = [true, true];
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  /** Connections are made again, and counted still. */
  unguard(): void {
    this.#guarded = false;
  }

  /** As where packets are lost: from now on nothing passes, and nobody is told. */
  hold(): void {
    this.#held = true;
    for (const [socket, other] of this.#sockets) socket.unpipe(other).pause();
  }

  /** What was held passes, in order. */
  release(): void {
    this.#held = false;
    for (const [socket, other] of this.#sockets) socket.pipe(other);
  }
}
