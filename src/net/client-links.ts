/** The links of client processes at a replica: how many each client may have, and all together. */
import { Limits } from '../limits.js';
import { HandshakeError } from './exchange.js';
import type { Link } from './link.js';

export class ClientLinks {
  private readonly byClient = new Map<number, Set<Link>>();
  private total = 0;

  /** @param room links of all clients */
  constructor(private readonly room: number) {}

  /**
   * Whether one more may come. Where there is no room left, the client with the most links makes it: none can have the others
   * shut out, the administrator least of all.
   */
  refusal(client: number): HandshakeError | undefined {
    const own = this.byClient.get(client)?.size ?? 0;
    if (own >= Limits.sessionsPerClient) {
      return new HandshakeError('busy', `client ${client} has ${own} connections already`);
    }
    if (this.total < this.room) return undefined;
    let most: Set<Link> = new Set();
    for (const links of this.byClient.values()) if (links.size > most.size) most = links;
    if (most.size <= own + 1)
      return new HandshakeError('busy', `${this.total} connections of clients are all there may be`);
    [...most].at(-1)?.close('crowded-out');
    return undefined;
  }

  add(link: Link): void {
    const links = this.byClient.get(link.peer.id) ?? new Set();
    this.byClient.set(link.peer.id, links.add(link));
    link.siblings = links;
    this.total++;
  }

  remove(link: Link): void {
    const links = this.byClient.get(link.peer.id);
    if (links?.delete(link)) this.total--;
    if (links?.size === 0) this.byClient.delete(link.peer.id);
  }

  all(): Link[] {
    return [...this.byClient.values()].flatMap((links) => [...links]);
  }
}
