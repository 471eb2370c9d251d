import { assert } from '../limits.js';
import type { Core } from './core.js';
import type { Forgotten, NewIncarnation, ReplicaId, StartReport } from './messages.js';
import { areReports, chooseStart, isReport } from './start.js';

const GroupLimits = {
  /** Claims, and new-incarnations, of one replica that are looked at between two ticks: each costs several signatures. */
  lookedAtPerTick: 2,
  /** What is said goes out this often until it is of no use any more. */
  repeatMs: 150,
  /** Reports beyond the 2f+1 that are needed are waited for so long: one may show more. */
  gatherMs: 200,
} as const;

/**
 * Recovery of the group when more than f replicas have forgotten what they said, or all have: 2f+1 who remember are no
 * more, and none of them could finish a recovery of its own (DESIGN 3.11). It takes no operator.
 *
 *   1. Replicas that recover at the same time tell each other so, signed: FORGOTTEN names the life in which each other one said it.
 *      Of f+1 who name each other one is correct, or all are, and more than f had failed at once.
 *   2. Whoever sees these leaves its incarnation for good, and reports what it can show: its certificates, and the batches
 *      it has on record. That it left is on stable storage before it says so.
 *   3. The next incarnation is ordered as ever, in views and numbers of its own, first a batch of 2f+1 reports. From
 *      what these show follows the state it begins from (start.ts), to which every replica brings itself (resumption.ts).
 *
 * A replica that knows of no later incarnation on its stable storage has said nothing in one: it takes part in it at once.
 */
export class GroupRecovery {
  /** By replica: the life that it last said it recovers in. */
  private readonly heard: number[];
  /** The latest valid claim of each replica, this one's too. */
  private readonly claims: (Forgotten | undefined)[] = [];
  /** For the incarnation that this replica is in, its own too. */
  private readonly reports: (StartReport | undefined)[] = [];
  private gatheredAt: number | undefined;
  private saidAt = Number.NEGATIVE_INFINITY;
  private lookedAt: number[] = [];

  constructor(
    private readonly core: Core,
    /** A number that no earlier life of this replica used. */
    private readonly life: number,
    /** How this replica came to the incarnation it is in; undefined in the first. */
    private readonly origin: NewIncarnation | undefined,
    /** Leaves this incarnation for a later one, as those f+1 claims allow. */
    private readonly leaveFor: (incarnation: number, forgotten: Forgotten[]) => void,
  ) {
    this.heard = new Array(core.configuration.n).fill(0);
    if (origin?.report !== undefined) this.reports[core.configuration.id] = origin.report;
  }

  tick(): void {
    const { core } = this;
    this.lookedAt = [];
    if (core.now - this.saidAt < GroupLimits.repeatMs) return;
    this.saidAt = core.now;
    if (core.recovering) this.claim();
    if (!core.decided) this.sendOrigin('replicas');
  }

  /** Another replica says that it recovers: a peer of this one only if this one does too. */
  onRecovering(from: ReplicaId, life: number): void {
    if (this.core.recovering) this.heard[from] = life;
  }

  /** Says that it recovers while f others do. */
  private claim(): void {
    const { core, life, heard } = this;
    const { id, f } = core.configuration;
    if (f === 0 || heard.filter((each) => each > 0).length < f) return;
    const { incarnation } = core;
    const before = this.claims[id];
    let message = before;
    if (before === undefined || before.heard.some((each, i) => each !== heard[i])) {
      const unsigned = { kind: 'forgotten' as const, replica: id, incarnation, life, heard: [...heard] };
      message = { ...unsigned, signature: core.authentication.signForgotten(unsigned) };
      this.claims[id] = message;
    }
    core.outbox.send('replicas', message!);
    this.leaveIfShown();
  }

  onForgotten(message: Forgotten, from: ReplicaId): void {
    const { core } = this;
    const { replica, incarnation, heard } = message;
    if (replica !== from) return core.outbox.suspect(from, "another replica's claim that it forgot");
    if (incarnation !== core.incarnation) return core.outbox.reject('claim in another incarnation');
    if (!this.mayLookAt(from)) return core.outbox.reject('too many claims of one replica');
    if (heard.length !== core.configuration.n || !core.authentication.verifyForgotten(message)) {
      return core.outbox.suspect(from, 'invalid claim that it forgot');
    }
    this.claims[from] = message;
    this.leaveIfShown();
  }

  private mayLookAt(from: ReplicaId): boolean {
    this.lookedAt[from] = (this.lookedAt[from] ?? 0) + 1;
    return this.lookedAt[from] <= GroupLimits.lookedAtPerTick;
  }

  private leaveIfShown(): void {
    const { core } = this;
    const claims = this.claims.filter((claim) => claim !== undefined);
    const shown = mutual(claims, core.configuration.weakQuorum);
    if (shown !== undefined) this.leaveFor(core.incarnation + 1, shown);
  }

  /** Of a later incarnation it shows that it is to begin; of this one it has a report. */
  onNewIncarnation(message: NewIncarnation, from: ReplicaId): void {
    const { core } = this;
    const { incarnation, forgotten, report } = message;
    if (incarnation < core.incarnation || (incarnation === core.incarnation && core.decided)) return;
    if (!this.mayLookAt(from)) return core.outbox.reject('too many new-incarnations of one replica');
    if (incarnation > core.incarnation) {
      if (this.areProof(forgotten, incarnation - 1)) return this.leaveFor(incarnation, forgotten);
      return core.outbox.suspect(from, 'new-incarnation without proof');
    }
    if (report === undefined || this.reports[from] !== undefined) return;
    if (report.replica !== from || !isReport(report, incarnation, core.configuration, core.authentication)) {
      return core.outbox.suspect(from, 'invalid report');
    }
    this.reports[from] = report;
  }

  private areProof(forgotten: readonly Forgotten[], incarnation: number): boolean {
    const { configuration, authentication } = this.core;
    if (forgotten.length !== configuration.weakQuorum) return false;
    if (forgotten.some((claim, i) => i > 0 && claim.replica <= forgotten[i - 1].replica)) return false;
    if (forgotten.some((claim) => claim.incarnation !== incarnation || claim.heard.length !== configuration.n))
      return false;
    return (
      mutual(forgotten, forgotten.length) !== undefined &&
      forgotten.every((each) => authentication.verifyForgotten(each))
    );
  }

  /** Primary: the reports that the incarnation may begin from, if they are here. */
  toPropose(): StartReport[] | undefined {
    const { core } = this;
    const reports = this.reports.filter((report) => report !== undefined);
    if (reports.length < core.configuration.quorum) return undefined;
    this.gatheredAt ??= core.now;
    const isAll = reports.length === core.configuration.n;
    if (!isAll && core.now - this.gatheredAt < GroupLimits.gatherMs) return undefined;
    // Each was found valid when it came.
    return chooseStart(reports, core.authentication) === undefined ? undefined : reports;
  }

  /** Whether the first batch of the incarnation may be of these reports. */
  admits(reports: readonly StartReport[] | undefined): boolean {
    const { core } = this;
    return reports !== undefined && areReports(reports, core.incarnation, core.configuration, core.authentication);
  }

  /** A replica is in another incarnation. */
  help(to: ReplicaId, incarnation: number): void {
    if (incarnation < this.core.incarnation) this.sendOrigin(to);
  }

  private sendOrigin(to: ReplicaId | 'replicas'): void {
    const { origin } = this;
    const { outbox } = this.core;
    assert(origin !== undefined, 'an incarnation that is undecided is not the first');
    if (origin.forgotten.length === 0) return;
    // Claims prove themselves, whoever hands them on: else none would lead the others on where each recovers in an
    // incarnation of its own. The report is this replica's own word.
    outbox.send(to, outbox.silent ? { ...origin, report: undefined } : origin);
  }
}

/** So many of the claims that each names the life of each other; undefined if there are not. */
export function mutual(claims: readonly Forgotten[], count: number): Forgotten[] | undefined {
  if (count === 0) return [];
  for (let i = 0; i + count <= claims.length; i++) {
    const first = claims[i];
    const known = claims.slice(i + 1).filter((other) => nameEachOther(first, other));
    const rest = mutual(known, count - 1);
    if (rest !== undefined) return [first, ...rest];
  }
  return undefined;
}

const nameEachOther = (a: Forgotten, b: Forgotten): boolean =>
  a.life > 0 && b.life > 0 && a.heard[b.replica] === b.life && b.heard[a.replica] === a.life;
