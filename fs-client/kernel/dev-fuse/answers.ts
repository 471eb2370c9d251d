/** How what a call yields becomes a reply. */
import type { Logger } from 'pino';
import { Errno } from '../../../src/fileservice/errno.js';
import type { Answer, Outcome } from '../kernel.js';
import type { Channel } from './channel.js';
import { PendingRequests } from './pending-requests.js';
import type { ReplyBuffer } from './reply.js';
import type { Request } from './request.js';

export type Send<T> = (reply: ReplyBuffer, value: T) => void;

export abstract class Answers {
  protected readonly pending: PendingRequests;

  constructor(
    protected readonly channel: Channel,
    protected readonly log: Logger,
  ) {
    this.pending = new PendingRequests(channel, log);
  }

  /** By opcode. */
  get answeredAtOnce(): ReadonlyMap<number, number> {
    return this.pending.atOnce;
  }

  /** @param undo takes back what the answer gave to the kernel, if the kernel did not wait for it */
  protected answer<T>(
    r: Request,
    answer: Answer<T>,
    send: Send<T>,
    undo?: (value: T) => void,
    interrupted?: AbortController,
  ): void {
    this.pending.settle<Outcome<T>>(
      r,
      answer,
      (result, low, high) => {
        if (result.errno === 0) send(this.channel.reply.begin(), result as { errno: 0 } & T);
        this.channel.send(low, high, result.errno);
      },
      (result) => result.errno === 0 && undo?.(result as { errno: 0 } & T),
      interrupted,
    );
  }

  protected answerData<T>(r: Request, answer: Answer<T>, data: (value: T) => Uint8Array): void {
    this.pending.settle<Outcome<T>>(r, answer, (result, low, high) => {
      if (result.errno === 0) this.channel.sendData(low, high, data(result as { errno: 0 } & T));
      else this.channel.send(low, high, result.errno);
    });
  }

  /** Data of which the request says how much there is room for; with room for none, only its length is told. */
  protected answerSized<T>(r: Request, answer: Answer<T>, data: (value: T) => Uint8Array): void {
    const room = r.u32(0);
    this.pending.settle<Outcome<T>>(r, answer, (result, low, high) => {
      const bytes = result.errno === 0 ? data(result as { errno: 0 } & T) : undefined;
      if (bytes === undefined) this.channel.send(low, high, result.errno);
      else if (room === 0) {
        this.channel.reply.begin().size(bytes.length);
        this.channel.send(low, high, 0);
      } else if (bytes.length > room) this.channel.send(low, high, Errno.ERANGE);
      else this.channel.sendData(low, high, bytes);
    });
  }

  protected succeed(r: Request): void {
    this.channel.reply.begin();
    this.channel.send(r.uniqueLow, r.uniqueHigh, 0);
  }

  protected fail(r: Request, errno: number): void {
    this.channel.send(r.uniqueLow, r.uniqueHigh, errno);
  }
}
