import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

/** What the network does to messages. */
export interface Weather {
  minDelayMs: number;
  maxDelayMs: number;
  loss: number;
  duplication: number;
  /** Whether messages overtake each other; otherwise a link keeps them in order, as a connection does. */
  reordering: boolean;
}

export const FAIR: Weather = { minDelayMs: 0.1, maxDelayMs: 2, loss: 0, duplication: 0, reordering: false };
export const STORMY: Weather = { minDelayMs: 0.1, maxDelayMs: 30, loss: 0.1, duplication: 0.1, reordering: true };

/** A process on the network: replica hosts from 0 on, clients from `FIRST_CLIENT` on. */
export type Address = number;

export const FIRST_CLIENT = 1000;
const MAX_ADDRESSES = 4096;

/** Messages between processes are delayed, lost, duplicated and reordered; a cut lets nothing through, one way. */
export class Network {
  weather: Weather = FAIR;
  /** Cuts may overlap: each direction of a link counts those on it. */
  private readonly cuts = new Map<number, number>();
  /** When the last message of each link in order arrives. */
  private readonly lastArrival = new Map<number, number>();
  /** Processes whose links are slow: added to the delay of all that they send, ms. */
  private readonly lag = new Map<Address, number>();

  constructor(
    private readonly scheduler: Scheduler,
    private readonly random: Random,
  ) {}

  transmit(from: Address, to: Address, arrive: () => void): void {
    const { random, scheduler } = this;
    if (this.isCut(from, to)) return;
    const { minDelayMs, maxDelayMs, loss, duplication, reordering } = this.weather;
    if (loss > 0 && random.chance(loss)) return;
    const lag = this.lag.get(from) ?? 0;
    let delay = lag + random.between(minDelayMs, maxDelayMs);
    if (!reordering) {
      const link = from * MAX_ADDRESSES + to;
      const { now } = scheduler;
      const at = Math.max(now + delay, this.lastArrival.get(link) ?? 0);
      this.lastArrival.set(link, at);
      delay = at - now;
    }
    scheduler.after(delay, arrive);
    if (duplication > 0 && random.chance(duplication)) {
      scheduler.after(lag + random.between(minDelayMs, 5 * maxDelayMs), arrive);
    }
  }

  isCut(from: Address, to: Address): boolean {
    return this.cuts.size > 0 && this.cuts.has(from * MAX_ADDRESSES + to);
  }

  /** Cuts the links from each of `from` to each of `to`, in that direction. @returns what heals them */
  cut(from: readonly Address[], to: readonly Address[]): () => void {
    const keys: number[] = [];
    for (const a of from) for (const b of to) if (a !== b) keys.push(a * MAX_ADDRESSES + b);
    for (const key of keys) this.cuts.set(key, (this.cuts.get(key) ?? 0) + 1);
    return () => {
      for (const key of keys.splice(0)) {
        const left = this.cuts.get(key)! - 1;
        if (left === 0) this.cuts.delete(key);
        else this.cuts.set(key, left);
      }
    };
  }

  /** Cuts both ways. */
  separate(some: readonly Address[], others: readonly Address[]): () => void {
    const heals = [this.cut(some, others), this.cut(others, some)];
    return () => {
      for (const heal of heals) heal();
    };
  }

  slow(address: Address, lagMs: number): () => void {
    this.lag.set(address, lagMs);
    return () => this.lag.delete(address);
  }
}
