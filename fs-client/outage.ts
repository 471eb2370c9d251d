/** What the log says of a time without a quorum: that it began, which changes are in doubt, and that it is over. */
import type { Logger } from 'pino';
import type { OperationName } from '../src/fileservice/operations.js';

/** Answers end an outage when no call has failed for so long: some may be answered while others are not. */
const CALM_MS = 1000;
/** Changes in doubt that get a line each; further ones are counted. */
const LOGGED_DOUBTS = 32;

export class Outage {
  /** Undefined: calls are answered. Clocks in milliseconds. */
  private current: { began: number; lastTrouble: number; failed: number; inDoubt: number } | undefined;

  /** @param onBegin told each time that one begins */
  constructor(
    private readonly log: Logger,
    private readonly onBegin: () => void = () => {},
  ) {}

  get isOn(): boolean {
    return this.current !== undefined;
  }

  /** A call has failed for want of an answer. */
  failed(op: OperationName, why: string): void {
    if (this.begins()) this.log.error({ op }, `EIO: ${why}; no more lines like this until calls are answered`);
    this.current!.failed++;
  }

  /** A call without a deadline has been waiting for long. */
  waiting(op: OperationName, seconds: number): void {
    if (!this.begins()) return;
    this.log.error({ op }, `no answer in ${seconds} s: waiting on, as a hard mount does`);
  }

  /** A change that failed may be executed yet. */
  doubtful(change: object): void {
    this.begins();
    this.current!.inDoubt++;
    if (this.current!.inDoubt > LOGGED_DOUBTS) return;
    this.log.warn(change, 'in doubt: not answered, but may be executed yet; later changes wait for it');
  }

  answered(): void {
    if (this.current === undefined) return;
    const now = performance.now();
    const { began, lastTrouble, failed, inDoubt } = this.current;
    if (now - lastTrouble < CALM_MS) return;
    this.current = undefined;
    const seconds = Math.round((now - began) / 1000);
    this.log.warn({ failed, inDoubt, seconds }, 'calls are answered again');
  }

  /** There is an outage now; returns whether it has only begun. */
  private begins(): boolean {
    const now = performance.now();
    if (this.current !== undefined) {
      this.current.lastTrouble = now;
      return false;
    }
    this.current = { began: now, lastTrouble: now, failed: 0, inDoubt: 0 };
    this.onBegin();
    return true;
  }
}
