/** The replica's side of connecting: takes connections, proves who is there, and keeps one link per replica. */
import { createServer, type Server, type Socket } from 'node:net';
import type { Peer } from './admission.js';
import { ClientLinks } from './client-links.js';
import type { NetContext } from './context.js';
import { count } from './counters.js';
import { connectionLimit } from './descriptors.js';
import { HandshakeError } from './exchange.js';
import { acceptHandshake } from './handshake.js';
import { Link } from './link.js';
import { ignoreError, SOCKET_OPTIONS } from './sockets.js';
import { STRANGERS, Strangers } from './strangers.js';

/** Links of clients that there is to be room for. */
const LEAST_CLIENT_LINKS = 32;

/**
 * For how many links of clients a replica has room.
 * @throws Error one line: this process may not have as many descriptors as it takes
 */
export function roomForClients(replicas: number): number {
  const others = STRANGERS + replicas;
  return connectionLimit(others + LEAST_CLIENT_LINKS) - others;
}

export class Listener {
  private readonly server: Server;
  private readonly strangers = new Strangers();
  private readonly replicaLinks = new Map<number, Link>();
  private readonly clientLinks: ClientLinks;

  constructor(private readonly context: NetContext) {
    this.clientLinks = new ClientLinks(roomForClients(context.cluster.replicas.length));
    this.server = createServer(SOCKET_OPTIONS, (socket) => this.accept(socket));
  }

  /** Listens, and yields the port: that given, or a free one for 0. Rejects where it cannot. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.off('error', reject);
        // Something else of this machine or process has taken all descriptors: the connection is lost, not the listener.
        this.server.on('error', () => count(this.context.counters.refusedConnections, 'no-descriptor'));
        const address = this.server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Stops listening and closes all links. */
  close(): Promise<void> {
    this.strangers.destroy();
    for (const link of [...this.replicaLinks.values(), ...this.clientLinks.all()]) link.close();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  /** To be called when a link went down. */
  forget(link: Link): void {
    const { role, id } = link.peer;
    if (role === 'client') this.clientLinks.remove(link);
    else if (this.replicaLinks.get(id) === link) this.replicaLinks.delete(id);
  }

  private accept(socket: Socket): void {
    const { context } = this;
    const address = socket.remoteAddress ?? '';
    socket.on('error', ignoreError);
    if (!this.strangers.mayCome(address)) {
      count(context.counters.refusedConnections, 'busy');
      socket.destroy();
      return;
    }
    const from = `${address}:${socket.remotePort}`;
    const admit = (peer: Peer): HandshakeError | undefined =>
      peer.role === 'replica' ? undefined : this.clientLinks.refusal(peer.id);
    const sendAway = acceptHandshake(socket, context, admit, (outcome) => {
      this.strangers.remove(socket);
      if (outcome instanceof HandshakeError) {
        count(context.counters.refusedConnections, outcome.code);
        context.handler.onRefused?.(from, outcome.message);
        return;
      }
      const link = new Link(socket, context, outcome);
      this.register(link);
      context.handler.onUp(link);
      link.start(outcome.rest);
    });
    this.strangers.add(socket, address, sendAway);
  }

  private register(link: Link): void {
    const { role, id } = link.peer;
    if (role === 'client') return this.clientLinks.add(link);
    // The old one may be half-open: its peer has gone and knows nothing of it.
    this.replicaLinks.get(id)?.close('replaced');
    this.replicaLinks.set(id, link);
  }
}
