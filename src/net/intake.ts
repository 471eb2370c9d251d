/** What a link has read and may not handle yet, and the pausing of its socket meanwhile. */
import type { Socket } from 'node:net';
import type { Pace } from './pace.js';

/**
 * At most one frame, and what came in the same read, is held: the socket is not read from before all of it is handled. Kernels
 * at both ends keep the rest, and then the sender.
 */
export class Intake {
  private held: Buffer[] = [];
  private from = 0;
  private paused = false;

  /** @param handle false: not now, and the item is offered again */
  constructor(
    private readonly socket: Socket,
    private readonly pace: Pace,
    private readonly handle: (item: Buffer) => boolean,
  ) {}

  /** Whether nothing is read: it says nothing about the peer if nothing comes. */
  get isPaused(): boolean {
    return this.paused;
  }

  take(item: Buffer): void {
    if (this.from < this.held.length || !this.handle(item)) this.hold(item);
  }

  /** A frame came that has no messages. */
  onEmptyFrame(): void {
    if (!this.pace.onEmptyFrame()) this.pause();
  }

  /** The link is down: nothing more is to be handled. */
  stop(): void {
    this.held = [];
    this.from = 0;
  }

  private hold(item: Buffer): void {
    this.held.push(item);
    this.pause();
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
    this.pace.await(this.resume);
  }

  private readonly resume = (): void => {
    while (this.from < this.held.length && this.handle(this.held[this.from])) this.from++;
    if (this.from < this.held.length) return this.pace.await(this.resume);
    this.stop();
    this.paused = false;
    this.socket.resume();
  };
}
