/**
 * Connections whose other end is not proven yet. Who makes many stands in its own way: the oldest of the address with most of
 * them makes room, and what handshakes cost is bounded for each address.
 */
import type { Socket } from 'node:net';
import { HandshakeError } from './exchange.js';
import { type Clock, TokenBucket } from './token-bucket.js';

/** An honest handshake takes a millisecond: it is those who linger that make room. */
export const STRANGERS = 64;
/** Connections of one address that are listened to, a second and at once. Each costs a signature and a key agreement. */
const PER_SECOND = 50;
const AT_ONCE = 200;
/** Addresses that are told apart, unless they have been quiet. All others are as one. */
const ADDRESSES = 1024;
const ALL_OTHERS = '';

interface Stranger {
  readonly socket: Socket;
  readonly address: string;
  sendAway: (error: HandshakeError) => void;
}

export class Strangers {
  private readonly bySocket = new Map<Socket, Stranger>();
  /** In order of their arrival. */
  private readonly byAddress = new Map<string, Set<Stranger>>();
  private readonly budgets = new Map<string, TokenBucket>();

  constructor(private readonly now?: Clock) {}

  /** Whether a connection from there may be listened to at all. */
  mayCome(remoteAddress: string): boolean {
    return this.budgetOf(networkOf(remoteAddress)).take(1);
  }

  /** @param sendAway ends the handshake, and calls `remove` */
  add(socket: Socket, remoteAddress: string, sendAway: (error: HandshakeError) => void): void {
    if (this.bySocket.size >= STRANGERS) this.makeRoom();
    const address = networkOf(remoteAddress);
    const stranger = { socket, address, sendAway };
    this.bySocket.set(socket, stranger);
    const same = this.byAddress.get(address);
    if (same === undefined) this.byAddress.set(address, new Set([stranger]));
    else same.add(stranger);
  }

  remove(socket: Socket): void {
    const stranger = this.bySocket.get(socket);
    if (stranger === undefined) return;
    this.bySocket.delete(socket);
    const same = this.byAddress.get(stranger.address);
    same?.delete(stranger);
    if (same?.size === 0) this.byAddress.delete(stranger.address);
  }

  destroy(): void {
    for (const socket of this.bySocket.keys()) socket.destroy();
  }

  private makeRoom(): void {
    let most: Set<Stranger> | undefined;
    for (const same of this.byAddress.values()) if (same.size > (most?.size ?? 0)) most = same;
    for (const { sendAway } of most ?? []) {
      return sendAway(new HandshakeError('busy', `${STRANGERS} later connections are waiting`));
    }
  }

  private budgetOf(address: string): TokenBucket {
    const known = this.budgets.get(address);
    if (known !== undefined) return known;
    if (this.budgets.size >= ADDRESSES) {
      for (const [each, budget] of this.budgets) if (budget.isFull) this.budgets.delete(each);
    }
    const name = this.budgets.size < ADDRESSES ? address : ALL_OTHERS;
    const budget = this.budgets.get(name) ?? new TokenBucket(PER_SECOND, AT_ONCE, this.now);
    this.budgets.set(name, budget);
    return budget;
  }
}

/** Whoever has an IPv6 address has its /64: that is told apart, and nothing smaller. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head, tail] = address.split('%', 1)[0].split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  const all = [...groups, ...new Array(missing).fill('0'), ...(tail ? tail.split(':') : [])];
  return all.slice(0, 4).join(':');
}
