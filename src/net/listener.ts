/** The replica's side of connecting: takes connections, proves who is there, and keeps one link per replica. */
import { createServer, type Server, type Socket } from 'node:net';
import { Limits } from '../limits.js';
import type { Peer } from './admission.js';
import type { NetContext } from './context.js';
import { count } from './counters.js';
import { HandshakeError } from './exchange.js';
import { acceptHandshake } from './handshake.js';
import { Link } from './link.js';
import { ignoreError, SOCKET_OPTIONS } from './sockets.js';

/** Connections whose other end is not proven yet. */
const STRANGERS = 64;

export class Listener {
  private readonly server: Server;
  /** In order of their arrival, and how to send them away. */
  private readonly strangers = new Map<Socket, (error: HandshakeError) => void>();
  private readonly replicaLinks = new Map<number, Link>();
  private readonly clientLinks = new Map<number, Set<Link>>();

  constructor(private readonly context: NetContext) {
    this.server = createServer(SOCKET_OPTIONS, (socket) => this.accept(socket));
  }

  /** Listens, and yields the port: that given, or a free one for 0. Rejects where it cannot. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.off('error', reject);
        // Out of descriptors, for example: this connection is lost, not the listener.
        this.server.on('error', () => count(this.context.counters.refusedConnections, 'disconnected'));
        const address = this.server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Stops listening and closes all links. */
  close(): Promise<void> {
    for (const socket of this.strangers.keys()) socket.destroy();
    for (const link of this.links()) link.close();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  /** To be called when a link went down. */
  forget(link: Link): void {
    const { role, id } = link.peer;
    if (role === 'replica') {
      if (this.replicaLinks.get(id) === link) this.replicaLinks.delete(id);
      return;
    }
    const links = this.clientLinks.get(id);
    links?.delete(link);
    if (links?.size === 0) this.clientLinks.delete(id);
  }

  private *links(): Generator<Link> {
    yield* [...this.replicaLinks.values()];
    for (const links of [...this.clientLinks.values()]) yield* [...links];
  }

  private accept(socket: Socket): void {
    const { context } = this;
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    socket.on('error', ignoreError);
    // An honest handshake takes a millisecond: it is those who linger that make room.
    if (this.strangers.size >= STRANGERS) {
      const [[, sendAway]] = this.strangers;
      sendAway(new HandshakeError('busy', `${STRANGERS} later connections are waiting`));
    }
    const admit = (peer: Peer): HandshakeError | undefined => this.admit(peer);
    const sendAway = acceptHandshake(socket, context, admit, (outcome) => {
      this.strangers.delete(socket);
      if (outcome instanceof HandshakeError) {
        count(context.counters.refusedConnections, outcome.code);
        context.handler.onRefused?.(address, outcome.message);
        return;
      }
      const link = new Link(socket, context, outcome);
      this.register(link);
      context.handler.onUp(link);
      link.start(outcome.rest);
    });
    this.strangers.set(socket, sendAway);
  }

  private admit({ role, id }: Peer): HandshakeError | undefined {
    if (role === 'replica' || (this.clientLinks.get(id)?.size ?? 0) < Limits.sessionsPerClient) return undefined;
    return new HandshakeError('busy', `client ${id} has ${Limits.sessionsPerClient} connections already`);
  }

  private register(link: Link): void {
    const { role, id } = link.peer;
    if (role === 'replica') {
      // The old one may be half-open: its peer has gone and knows nothing of it.
      this.replicaLinks.get(id)?.close('replaced');
      this.replicaLinks.set(id, link);
      return;
    }
    const links = this.clientLinks.get(id);
    if (links === undefined) this.clientLinks.set(id, new Set([link]));
    else links.add(link);
  }
}
