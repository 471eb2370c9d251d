/** Typed calls of the replicated file service, for one mount, its own changes in an order that they may have. */
import type { Logger } from 'pino';
import { CallError, type ServiceClient } from '../src/client/types.js';
import { Errno } from '../src/fileservice/errno.js';
import { encodeOperation, isReadOnly, type Operation, type OperationName } from '../src/fileservice/operations.js';
import { decodeResult, type Failure, type Results } from '../src/fileservice/results.js';
import type { Credentials } from '../src/fileservice/types.js';
import { BrokenInvariant } from '../src/limits.js';
import { ChangeOrder, touchedBy } from './cache/change-order.js';
import { CallFigures } from './call-figures.js';
import { Outage } from './outage.js';

/** Calls made and answered, by operation: what a workload costs. */
export type CallCounters = Partial<Record<OperationName, number>>;

/** Not answered before its deadline: the operation may be executed yet, until `settled` resolves. */
export interface InDoubt extends Failure {
  settled: Promise<void>;
}

export const isInDoubt = (result: { errno: number }): result is InDoubt => 'settled' in result;

/** A call without a deadline that takes this long is mentioned: a hard mount waits, but not silently. */
const PATIENCE_MS = 30_000;

/** Of failures for other reasons than that nobody answers, the log gets one in this time, and how many it stands for. */
const LOG_INTERVAL_MS = 1000;

export class Files {
  readonly counters: CallCounters = {};
  readonly figures = new CallFigures();
  private readonly order = new ChangeOrder();
  /** Clock when an ordered call was last answered: the service gets on. */
  private lastOrdered = 0;
  /** Clock when the last call that was answered had been made. */
  private lastAnswered = Number.NEGATIVE_INFINITY;
  /** Times that the session was lost: what was asked for before fails, and so does whatever depends on it. */
  sessionsLost = 0;
  private lastLogged = Number.NEGATIVE_INFINITY;
  private unlogged = 0;
  private readonly outage: Outage;

  constructor(
    private readonly service: ServiceClient,
    /** How long an operation may take before it is EIO; Infinity: it waits for a quorum however long that takes. */
    private readonly deadlineMs: number,
    private readonly log: Logger,
  ) {
    this.outage = new Outage(log, () => this.figures.outages++);
  }

  /**
   * What the replicas agree on. A change of what another one is changing waits for that. Never rejects: a call without
   * a result is EIO and a line in the log, and may have been executed nonetheless, or be yet.
   * @param since clock when the operation began to wait here; its deadline counts from then on, or from when the
   *   service last got on with what is before it
   */
  async perform<O extends Operation>(
    credentials: Credentials,
    operation: O,
    since = performance.now(),
  ): Promise<Failure | Results[O['op']]> {
    const deadline = Math.max(since, this.lastOrdered) + this.deadlineMs;
    if (isReadOnly(operation)) return this.call(credentials, operation, deadline);
    const touched = touchedBy(operation);
    const { sessionsLost } = this;
    const ahead = this.order.ahead(touched);
    // Nothing has to wait for an FSYNC.
    const leave = operation.op === 'fsync' ? () => {} : this.order.enter(touched);
    if (ahead !== undefined && !(await resolvesBefore(deadline, ahead))) {
      leave();
      return this.unanswered(operation.op, new CallError('deadline', 'an earlier change is still in doubt'));
    }
    if (sessionsLost !== this.sessionsLost) {
      leave();
      return this.unanswered(operation.op, new CallError('session-lost', 'not sent: the session was lost before'));
    }
    const result = await this.call(credentials, operation, deadline);
    if (isInDoubt(result)) {
      this.figures.inDoubt++;
      this.outage.doubtful(subjectOf(operation));
      result.settled.then(leave);
    } else {
      leave();
    }
    return result;
  }

  /** Whether calls go unanswered. */
  get isOut(): boolean {
    return this.outage.isOn;
  }

  /** Whether a call made in the last `ms` milliseconds has been answered. */
  heardWithin(ms: number): boolean {
    return performance.now() - this.lastAnswered <= ms;
  }

  private async call<O extends Operation>(
    credentials: Credentials,
    operation: O,
    deadline: number,
  ): Promise<Failure | Results[O['op']]> {
    const { op } = operation;
    const now = performance.now();
    const deadlineMs = deadline - now;
    if (deadlineMs <= 0) return this.unanswered(op, new CallError('deadline', 'not sent: too late after waiting'));
    this.counters[op] = (this.counters[op] ?? 0) + 1;
    const readOnly = isReadOnly(operation);
    const impatience = deadline === Number.POSITIVE_INFINITY ? this.mentionIfSlow(op) : undefined;
    try {
      const bytes = encodeOperation(credentials, operation);
      const result = await this.service.call(bytes, { readOnly, deadlineMs });
      this.outage.answered();
      const answered = performance.now();
      this.figures.took(op, answered - now);
      if (!readOnly) this.lastOrdered = answered;
      this.lastAnswered = Math.max(this.lastAnswered, now);
      return decodeResult(op as O['op'], result) as Failure | Results[O['op']];
    } catch (error) {
      if (error instanceof BrokenInvariant) throw error;
      const failure = this.unanswered(op, error as Error);
      if (readOnly || !(error instanceof CallError)) return failure;
      const inDoubt: InDoubt = { ...failure, settled: error.settled };
      return (await hasResolved(error.settled)) ? failure : inDoubt;
    } finally {
      clearTimeout(impatience);
    }
  }

  private mentionIfSlow(op: OperationName): NodeJS.Timeout {
    return setTimeout(() => this.outage.waiting(op, PATIENCE_MS / 1000), PATIENCE_MS);
  }

  private unanswered(op: OperationName, error: Error): Failure {
    const { unlogged } = this;
    const code = error instanceof CallError ? error.code : undefined;
    this.figures.failedFor(code ?? 'not-understood');
    // That is said once, by the client itself.
    if (code === 'revoked') return { errno: Errno.EACCES };
    // After the unmount, when the client is closed, nobody waits for it, and a lost write is logged as one.
    if (code === 'deadline') this.outage.failed(op, error.message);
    else if (code !== 'closed' && this.mayLog()) {
      if (error instanceof CallError) this.log.error({ op, code: error.code, unlogged }, `EIO: ${error.message}`);
      else this.log.error({ op, err: error, unlogged }, 'EIO: the reply cannot be understood');
    }
    return { errno: Errno.EIO };
  }

  private mayLog(): boolean {
    const now = performance.now();
    const allowed = now - this.lastLogged >= LOG_INTERVAL_MS;
    this.unlogged = allowed ? 0 : this.unlogged + 1;
    if (allowed) this.lastLogged = now;
    return allowed;
  }
}

/** What an operation in doubt would change, for the log. */
function subjectOf(operation: Operation): object {
  const { op } = operation;
  if (op === 'write') {
    const { node, offset, data, append } = operation;
    return { op, ino: node.ino, offset, bytes: data.length, append };
  }
  if ('node' in operation) return { op, ino: operation.node.ino, ...('size' in operation && { size: operation.size }) };
  return 'parent' in operation ? { op, parent: operation.parent.ino } : { op };
}

const PENDING = Symbol('pending');
const pending = Promise.resolve(PENDING);

/** Whether a promise has resolved already: of two that have, race answers with the first one given. */
const hasResolved = async (promise: Promise<void>): Promise<boolean> =>
  (await Promise.race([promise, pending])) !== PENDING;

async function resolvesBefore(deadline: number, promise: Promise<unknown>): Promise<boolean> {
  if (deadline === Number.POSITIVE_INFINITY) {
    await promise;
    return true;
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof PENDING>((resolve) => {
    timer = setTimeout(resolve, deadline - performance.now(), PENDING);
  });
  const first = await Promise.race([promise, late]);
  clearTimeout(timer);
  return first !== PENDING;
}
