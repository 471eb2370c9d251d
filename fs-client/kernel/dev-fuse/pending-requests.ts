/** Requests whose answers take a while, and what becomes of those whose caller stops waiting. */
import type { Logger } from 'pino';
import { Errno } from '../../../src/fileservice/errno.js';
import type { Failure } from '../../../src/fileservice/results.js';
import { BrokenInvariant } from '../../../src/limits.js';
import { opcodeName } from './abi.js';
import type { Channel } from './channel.js';
import type { Request } from './request.js';

/** A request that is still unanswered this long after its caller got a signal is answered EINTR: `kill` works. */
const INTERRUPT_GRACE_MS = 2000;
const TWO_TO_32 = 0x1_0000_0000;

/** How a result reaches the kernel, given the two words of the request's `unique`. */
export type SendResult<R> = (result: R | Failure, low: number, high: number) => void;

const keyOf = (low: number, high: number): number => high * TWO_TO_32 + low;

export class PendingRequests {
  /** By `unique`. An entry is gone once a reply has been sent. */
  private readonly waiting = new Map<number, AbortController | undefined>();

  /** Requests whose answer was there at once, by opcode. */
  readonly atOnce = new Map<number, number>();

  constructor(
    private readonly channel: Channel,
    private readonly log: Logger,
  ) {}

  /**
   * Sends the result: at once, or when it is there; gives it to `tooLate` if the request was interrupted meanwhile.
   * @param interrupted aborted when its caller gets a signal, and whatever is waited for need not be any more
   */
  settle<R extends { errno: number }>(
    { uniqueLow: low, uniqueHigh: high, opcode }: Request,
    answer: R | Promise<R>,
    send: SendResult<R>,
    tooLate?: (result: R | Failure) => void,
    interrupted?: AbortController,
  ): void {
    if (!(answer instanceof Promise)) {
      this.atOnce.set(opcode, (this.atOnce.get(opcode) ?? 0) + 1);
      send(answer, low, high);
      return;
    }
    const key = keyOf(low, high);
    this.waiting.set(key, interrupted);
    const finish = (result: R | Failure) => {
      if (this.waiting.delete(key)) send(result, low, high);
      else tooLate?.(result);
    };
    answer.then(finish).catch((error: unknown) => {
      this.log.error({ err: error, request: opcodeName(opcode) }, 'a handler failed');
      if (error instanceof BrokenInvariant) throw error;
      finish({ errno: Errno.EIO });
    });
  }

  /** The caller of that request got a signal. What was asked for goes on, and may still be done. */
  interrupt(low: number, high: number): void {
    const key = keyOf(low, high);
    if (!this.waiting.has(key)) return;
    this.waiting.get(key)?.abort();
    const timer = setTimeout(() => {
      if (this.waiting.delete(key)) this.channel.send(low, high, Errno.EINTR);
    }, INTERRUPT_GRACE_MS);
    timer.unref();
  }
}
