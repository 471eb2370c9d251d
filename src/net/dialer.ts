/** Keeps one link to one replica: connects, and connects again with growing, jittered pauses. */
import type { Socket } from 'node:net';
import type { ReplicaEntry } from '../cluster/types.js';
import type { NetContext } from './context.js';
import { count } from './counters.js';
import { HandshakeError } from './exchange.js';
import { dialHandshake } from './handshake.js';
import { Link } from './link.js';
import { dialed, ignoreError } from './sockets.js';

export class Dialer {
  private socket: Socket | undefined;
  private link: Link | undefined;
  private retry: NodeJS.Timeout | undefined;
  /** Connections in a row that did not become a link that lasted. */
  private failures = 0;
  private upSinceMs = 0;
  private closed = false;
  /** Said already, and not again until a link comes up or something else is wrong. */
  private complaint: string | undefined;

  constructor(
    private readonly context: NetContext,
    private readonly target: ReplicaEntry,
  ) {}

  start(): void {
    this.dial();
  }

  /** Closes the link, if any, and dials no more. */
  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    if (this.link !== undefined) this.link.close();
    else this.socket?.destroy();
  }

  /** To be called when this dialer's link went down. */
  forget(link: Link): void {
    if (this.link !== link) return;
    this.link = undefined;
    // A link that lasted is renewed at once; one that falls as soon as it is up is a failure like any other.
    if (performance.now() - this.upSinceMs >= this.context.timings.lastRetryMs) this.failures = 0;
    this.dialLater();
  }

  private dial(): void {
    const { context, target } = this;
    const socket = dialed(target.host, target.port);
    this.socket = socket;
    socket.on('error', ignoreError);
    // The handshake begins when the connection is there; a connection that takes longer than a handshake is a failure.
    const timer = setTimeout(() => socket.destroy(), context.timings.handshakeMs);
    const onClose = (): void => {
      clearTimeout(timer);
      this.fail('disconnected', 'no connection');
    };
    socket.once('close', onClose);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('close', onClose);
      dialHandshake(socket, context, target.id, (outcome) => {
        if (outcome instanceof HandshakeError) return this.fail(outcome.code, outcome.message);
        this.up(new Link(socket, context, outcome), outcome.rest);
      });
    });
  }

  private up(link: Link, rest: Buffer): void {
    this.link = link;
    this.complaint = undefined;
    this.upSinceMs = performance.now();
    this.context.handler.onUp(link);
    link.start(rest);
  }

  private fail(code: string, message: string): void {
    if (this.closed) return;
    const { id: replica, host, port } = this.target;
    count(this.context.counters.refusedConnections, code);
    if (message !== this.complaint) this.context.handler.onRefused?.(`${host}:${port}`, message, { replica, code });
    this.complaint = message;
    this.dialLater();
  }

  private dialLater(): void {
    if (this.closed) return;
    const { firstRetryMs, lastRetryMs } = this.context.timings;
    const longest = this.failures === 0 ? 0 : Math.min(lastRetryMs, firstRetryMs * 2 ** (this.failures - 1));
    this.failures++;
    this.retry = setTimeout(() => this.dial(), longest * (1 - Math.random() / 2));
  }
}
