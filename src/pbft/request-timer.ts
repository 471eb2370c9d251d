import type { Core } from './core.js';
import type { SequenceNumber } from './messages.js';
import type { Waiting } from './request-queue.js';

const Timing = {
  /** T of TOCS '02 §4.5.3: how long one request may take from when its turn comes, in a view that works. */
  baseMs: 800,
  /** T doubles with every view that fails, up to this. */
  longestMs: 120_000,
  /** Batches that a view commits before T shrinks by half again, if it stays well above what turns take … */
  calmBatches: 32,
  wellAbove: 3,
  /** … and before what counts as slow does. */
  provenBatches: 1024,
  /** So many turns in a row are averaged to judge how fast the primary is … */
  judgedTurns: 8,
  /** … and this is what is expected of it at first. It doubles whenever a primary was found too slow. */
  acceptableMs: 250,
} as const;

/**
 * How a backup finds that the primary fails it (DESIGN 3.13). One client after another has a turn: the oldest of its
 * waiting requests must execute within T, whatever else does meanwhile, so that no progress of others hides one client's
 * starving (trap 15); and a queue that moves, however long, gives no alarm.
 *
 * A primary that always stays just within T is found out by the mean of what the turns took (Aardvark, NSDI '09 §5.2, for
 * throughput): where all primaries are slow, because the network is, what is expected gives way until it is met.
 */
export class RequestTimer {
  private target: Waiting | undefined;
  private targetSince = 0;
  private client = -1;
  /** While there is a target, or a new-view is awaited. */
  private deadline = Number.POSITIVE_INFINITY;
  private timeout: number = Timing.baseMs;
  private acceptable: number = Timing.acceptableMs;
  private batches = 0;
  private watched: SequenceNumber = 0;
  private stuckAt = Number.POSITIVE_INFINITY;
  /** What the last turns took, in ms. */
  private turns: number[] = [];
  /** The longest since T was last looked at. */
  private longestTurn = 0;

  constructor(private readonly core: Core) {}

  /** Whether what is awaited did not come in time: a request's execution, or the new-view. */
  get expired(): boolean {
    return this.core.now >= this.deadline;
  }

  /** Whether the next batch, known as soon as it is pre-prepared, did not commit in time, be it that nobody waits for it. */
  get stuck(): boolean {
    return this.core.now >= this.stuckAt;
  }

  /** To be called at every tick with the number of the batch that commits next. */
  watch(next: SequenceNumber): void {
    const { core } = this;
    const prePrepared = core.active && core.log.get(next)?.prePrepared === true;
    if (!prePrepared) this.stuckAt = Number.POSITIVE_INFINITY;
    else if (this.stuckAt === Number.POSITIVE_INFINITY || this.watched !== next) this.stuckAt = core.now + this.timeout;
    this.watched = next;
  }

  /** Whether the primary is slower than it need be. */
  get tooSlow(): boolean {
    const { turns } = this;
    if (turns.length < Timing.judgedTurns) return false;
    return turns.reduce((sum, ms) => sum + ms, 0) / turns.length > this.acceptable;
  }

  /**
   * The queue changed: goes on to the next client if the one whose turn it was has been served. The primary has a timer
   * too: it may be the only one to know that it cannot go on.
   */
  update(): void {
    const { core, target } = this;
    if (!core.active || core.configuration.f === 0) return;
    if (target !== undefined) {
      if (core.queue.has(target.request)) return;
      const turn = core.now - this.targetSince;
      this.longestTurn = Math.max(this.longestTurn, turn);
      this.turns.push(turn);
      if (this.turns.length > Timing.judgedTurns) this.turns.shift();
    }
    const client = core.queue.clientAfter(this.client);
    this.target = client === undefined ? undefined : core.queue.oldest(client);
    this.targetSince = core.now;
    this.client = client ?? -1;
    this.deadline = this.target === undefined ? Number.POSITIVE_INFINITY : core.now + this.timeout;
  }

  /** Requests were dropped that need not be executed any more: if one was the target, that was no turn. */
  dropped(): void {
    if (this.target !== undefined && !this.core.queue.has(this.target.request)) this.target = undefined;
    this.update();
  }

  /** Nothing is to be expected of the view any more: it was left. The next one gets twice the time. */
  leftView(): void {
    if (this.tooSlow) this.acceptable = Math.min(2 * this.acceptable, Timing.longestMs);
    else this.timeout = Math.min(2 * this.timeout, Timing.longestMs);
    this.forget();
  }

  /** 2f+1 ask for the view: its primary can and must send the new-view. */
  awaitNewView(): void {
    if (this.deadline === Number.POSITIVE_INFINITY) this.deadline = this.core.now + this.timeout;
  }

  enteredView(): void {
    this.forget();
    this.update();
  }

  private forget(): void {
    this.target = undefined;
    this.deadline = Number.POSITIVE_INFINITY;
    this.stuckAt = Number.POSITIVE_INFINITY;
    this.turns = [];
    this.batches = 0;
  }

  /** @param attested this replica learnt it from others: what it waited for was its own lag, and no fault of a primary's */
  onCommitted(attested: boolean): void {
    this.update();
    if (attested) this.turns = [];
    if (!this.core.active) return;
    this.batches++;
    if (this.batches % Timing.calmBatches === 0) this.shrink();
    if (this.batches % Timing.provenBatches === 0) {
      this.acceptable = Math.max(this.acceptable / 2, Timing.acceptableMs);
    }
  }

  private shrink(): void {
    const shorter = Math.max(this.timeout / 2, Timing.baseMs);
    if (shorter >= Timing.wellAbove * this.longestTurn) this.timeout = shorter;
    this.longestTurn = 0;
  }
}
