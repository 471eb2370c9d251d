/**
 * How fast messages of one client are read, on all its links together: no faster than its rights say. What comes faster
 * stays in the links' sockets, whose windows then close: a correct client is delayed, and one that sends faster fills
 * nothing but its own socket. Nothing is refused, and nothing that comes by way of another replica is held up.
 */
import type { Message } from '../pbft/messages.js';
import { type Clock, TokenBucket } from './token-bucket.js';

/**
 * An ordered request that was read before costs none of the rate: a client that is delayed sends again what it waits for,
 * and would fall behind further for it. So many of them are read a second, each counted with one more for every
 * REPEATED_BYTES, and frames that carry no message count among them.
 */
const REPEATED_PER_SECOND = 1000;
const REPEATED_BYTES = 4096;
/** Digests of requests that are remembered: twice so many, of which the older half is forgotten at once. */
const REMEMBERED = 512;
/** Nothing is gained by waiting for single tokens of a fast client. */
const LEAST_WAIT_MS = 2;

export class Pace {
  private readonly calls: TokenBucket;
  private readonly repeated: TokenBucket;
  private recent = new Set<string>();
  private former = new Set<string>();
  /** Who is to be called when there may be tokens again, in turn. */
  private waiting: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;

  /** @param rate calls a second, and at once */
  constructor(
    readonly rate: number,
    now?: Clock,
  ) {
    this.calls = new TokenBucket(rate, rate, now);
    this.repeated = new TokenBucket(REPEATED_PER_SECOND, REPEATED_PER_SECOND, now);
  }

  /**
   * Whether the message may be handled now: it has then been paid for.
   * @param message undefined: what is none, or not one that this client may send
   */
  admits(message: Message | undefined): boolean {
    if (message?.kind !== 'request') return this.calls.take(1);
    // Reads are never sent again, and answering one costs whatever it asks for.
    if (message.readOnly) return this.calls.take(message.calls.length);
    const key = Buffer.from(message.digest).toString('latin1');
    if (this.recent.has(key) || this.former.has(key)) {
      return this.repeated.take(1 + message.body.length / REPEATED_BYTES);
    }
    if (!this.calls.take(message.calls.length)) return false;
    this.remember(key);
    return true;
  }

  /** A frame without messages. @returns whether the next may be read at once */
  onEmptyFrame(): boolean {
    this.repeated.charge(1);
    return this.repeated.waitMs === 0;
  }

  private remember(key: string): void {
    if (this.recent.size === REMEMBERED) {
      this.former = this.recent;
      this.recent = new Set();
    }
    this.recent.add(key);
  }

  /** Calls `resume`, once, when something may be read again. */
  await(resume: () => void): void {
    this.waiting.push(resume);
    const waitMs = Math.max(LEAST_WAIT_MS, this.calls.waitMs, this.repeated.waitMs);
    this.timer ??= setTimeout(this.onTokens, waitMs).unref();
  }

  private readonly onTokens = (): void => {
    this.timer = undefined;
    // Who has to wait again stands behind those who have waited as long.
    for (const resume of this.waiting.splice(0)) resume();
  };
}

/** Of all clients that have a rate. It outlasts their links: who connects anew has no more than before. */
export class Paces {
  private readonly paces = new Map<number, Pace>();

  /** @param rateOf calls a second of a registered client; undefined: it has no rate */
  constructor(private readonly rateOf: (client: number) => number | undefined) {}

  of(client: number): Pace | undefined {
    const rate = this.rateOf(client);
    if (rate === undefined) return undefined;
    let pace = this.paces.get(client);
    // After a loss of power by all the number may have become another's.
    if (pace?.rate !== rate) {
      pace = new Pace(rate);
      this.paces.set(client, pace);
    }
    return pace;
  }
}
