import { assert, Limits } from '../limits.js';
import type { Checkpointing } from './checkpointing.js';
import type { Core } from './core.js';
import type { Execution } from './execution.js';
import type { CheckpointCertificate, Digest, FetchState, ReplicaId, SequenceNumber, StateData } from './messages.js';
import type { ReplicatedState } from './ports.js';
import type { StateTransfer, TransferProgress } from './transfer-ports.js';

const TransferLimits = {
  /** Behind a stable checkpoint and no further for so long: what is missing is not to be had batch by batch. */
  stalledMs: 1500,
  /** Queries under way at one replica. */
  queriesPerReplica: 2,
  /** A query not answered by then is put to another replica. */
  answerMs: 1000,
  /** A replica that failed is not asked for so long; twice as long if it fails again, up to the longest. */
  restMs: 500,
  longestRestMs: 16_000,
  /** A newer checkpoint is not turned to sooner after the one before it: each walks the tree again from its root. */
  retargetMs: 1000,
  /** Answers for one replica between two ticks: up to 2 MiB. */
  servedPerTick: 8,
} as const;

/** The state at a sequence number, by its digest. */
type Certified = Pick<CheckpointCertificate, 'sequence' | 'stateDigest'>;

/** Another replica as a source of the state. */
interface Source {
  underWay: number;
  /** It is not asked before that. */
  restsUntil: number;
  restMs: number;
  /** The checkpoint that it says it cannot answer from. */
  lacks: SequenceNumber;
}

interface Asked {
  query: Uint8Array;
  of: ReplicaId;
  at: number;
}

/**
 * Takes the state of a stable checkpoint from the other replicas when this one is too far behind to execute its way
 * there (TOCS '02 §4.6). None of them need be trusted: the 2f+1 signatures of the checkpoint vouch for its root, and the
 * state checks each part against that. While parts are gathered nothing is executed; votes are cast as ever.
 */
export class StateTransfers {
  private transfer: StateTransfer | undefined;
  /** Of what it gathers. */
  private target: Certified | undefined;
  private installing = false;
  private readonly sources: Source[] = [];
  /** By the number of the query. */
  private readonly asked = new Map<number, Asked>();
  /** Another state than that of the last stable checkpoint is wanted; told when it is here. */
  private wanted: { certificate: Certified; onBrought: () => void } | undefined;
  private lastNumber = 0;
  private targetedAt = 0;
  private lastCommitted = -1;
  private progressAt = 0;
  private served: number[] = [];
  /** Of the transfers that were installed since the start. */
  readonly total = { transfers: 0, rows: 0, nodes: 0, bytes: 0 };

  constructor(
    private readonly core: Core,
    private readonly state: ReplicatedState,
    private readonly execution: Execution,
    private readonly checkpointing: Checkpointing,
    /** Told when the state has become that of a checkpoint. */
    private readonly onInstalled: (sequence: SequenceNumber, stateDigest: Digest) => void,
  ) {
    for (let id = 0; id < core.configuration.n; id++) {
      this.sources.push({ underWay: 0, restsUntil: 0, restMs: TransferLimits.restMs, lacks: -1 });
    }
  }

  /** The transfer under way, if any. */
  get progress(): (TransferProgress & { sequence: SequenceNumber }) | undefined {
    const { transfer } = this;
    return transfer && { sequence: transfer.sequence, ...transfer.progress };
  }

  tick(): void {
    this.served = [];
    if (this.transfer === undefined) {
      if (this.isNeeded()) this.begin();
    } else if (!this.installing) {
      this.giveUpLate();
      this.goOn();
    }
  }

  /** Whether there is a stable checkpoint too far ahead, or one that this replica does not come nearer to. */
  private isNeeded(): boolean {
    const { now } = this.core;
    const { lastCommitted } = this.execution;
    const { certificate } = this.checkpointing;
    if (this.wanted !== undefined) return true;
    if (certificate === undefined) return false;
    const behind = certificate.sequence - lastCommitted;
    if (this.state.damaged) return true;
    if (behind <= 0 || lastCommitted !== this.lastCommitted) this.progressAt = now;
    this.lastCommitted = lastCommitted;
    return behind > Limits.transferLag || (behind > 0 && now - this.progressAt >= TransferLimits.stalledMs);
  }

  /**
   * Part of the state is not what was executed: nothing more is executed on it, nor answered from it, until it is that of
   * the last stable checkpoint again; what came after that is then executed again.
   */
  distrustState(): void {
    if (this.transfer !== undefined) return;
    this.execution.suspend();
    this.state.distrust();
    if (this.isNeeded()) this.begin();
  }

  /**
   * Makes the state that of a checkpoint of an earlier incarnation, be it beyond it, unless a checkpoint becomes stable in this
   * one: then that is taken.
   */
  bring(sequence: SequenceNumber, stateDigest: Digest, onBrought: () => void): void {
    assert(this.transfer === undefined, 'one transfer at a time');
    this.wanted = { certificate: { sequence, stateDigest }, onBrought };
    this.begin();
  }

  /** Whether a transfer is under way. */
  get isBusy(): boolean {
    return this.transfer !== undefined;
  }

  /** Leaves the state as it is. Not while it is installed. */
  cancel(): void {
    this.transfer?.cancel();
    this.transfer = undefined;
  }

  private begin(): void {
    const certificate = this.checkpointing.certificate ?? this.wanted?.certificate;
    assert(certificate !== undefined, 'a state that is taken from others is certified');
    this.execution.suspend();
    this.transfer = this.state.beginTransfer(certificate.sequence, certificate.stateDigest);
    this.target = certificate;
    this.targetedAt = this.core.now;
    this.goOn();
  }

  private giveUpLate(): void {
    const { now, outbox } = this.core;
    for (const [number, asked] of this.asked) {
      if (now - asked.at < TransferLimits.answerMs) continue;
      this.giveUp(number, asked);
      this.rest(asked.of);
      outbox.reject('state not sent in time');
    }
  }

  /** What was asked for is to be asked for again. */
  private giveUp(number: number, { query, of }: Asked): void {
    this.settle(number, of);
    this.transfer!.giveUp(query);
  }

  /** The query is not under way any more. */
  private settle(number: number, of: ReplicaId): void {
    this.asked.delete(number);
    this.sources[of].underWay--;
  }

  private rest(id: ReplicaId): void {
    const source = this.sources[id];
    source.restsUntil = this.core.now + source.restMs;
    source.restMs = Math.min(2 * source.restMs, TransferLimits.longestRestMs);
  }

  /** Asks for as much as there are places for. */
  private goOn(): void {
    const transfer = this.transfer!;
    if (transfer.done) {
      // The first step is taken in the next turn.
      this.installing = true;
      return;
    }
    this.retargetIfGone();
    for (let of = this.nextSource(); of !== undefined; of = this.nextSource()) {
      const [query] = transfer.queries(1);
      if (query === undefined) return;
      const number = ++this.lastNumber;
      this.asked.set(number, { query, of, at: this.core.now });
      this.sources[of].underWay++;
      this.core.outbox.send(of, { kind: 'fetch-state', number, query });
    }
  }

  /** f+1, one of them correct, do not have the checkpoint any more, or yet: if there is a newer one, gathers that. */
  private retargetIfGone(): void {
    const { core, targetedAt } = this;
    const transfer = this.transfer!;
    const { certificate } = this.checkpointing;
    if (certificate === undefined || certificate.sequence <= transfer.sequence) return;
    if (core.now - targetedAt < TransferLimits.retargetMs) return;
    const { wanted } = this;
    const lacking = this.sources.filter(({ lacks }) => lacks === transfer.sequence);
    if (wanted === undefined && lacking.length < core.configuration.weakQuorum) return;
    for (const [number, asked] of this.asked) this.giveUp(number, asked);
    for (const source of this.sources) source.restsUntil = 0;
    transfer.retarget(certificate.sequence, certificate.stateDigest);
    this.target = certificate;
    this.targetedAt = core.now;
  }

  /** Who has the least to do, of those that may be asked. */
  private nextSource(): ReplicaId | undefined {
    const { now, configuration } = this.core;
    let best: ReplicaId | undefined;
    this.sources.forEach(({ underWay, restsUntil }, id) => {
      if (id === configuration.id || now < restsUntil || underWay >= TransferLimits.queriesPerReplica) return;
      if (best === undefined || underWay < this.sources[best].underWay) best = id;
    });
    return best;
  }

  onStateData({ number, answer }: StateData, from: ReplicaId): void {
    const { outbox } = this.core;
    const asked = this.asked.get(number);
    if (asked === undefined || asked.of !== from) return outbox.reject('state that is not awaited');
    const transfer = this.transfer!;
    const source = this.sources[from];
    if (answer === undefined) {
      this.giveUp(number, asked);
      source.lacks = transfer.sequence;
      this.rest(from);
      return this.goOn();
    }
    this.settle(number, from);
    if (transfer.accept(asked.query, answer) === 'ok') {
      source.restMs = TransferLimits.restMs;
      source.lacks = -1;
    } else {
      outbox.suspect(from, 'state that is not the certified one');
      this.rest(from);
    }
    this.goOn();
  }

  /** Answers from a checkpoint of this replica's, if it has it. */
  onFetchState({ number, query }: FetchState, from: ReplicaId): void {
    const { outbox } = this.core;
    this.served[from] = (this.served[from] ?? 0) + 1;
    if (this.served[from] > TransferLimits.servedPerTick) return outbox.reject('too many queries for the state');
    const answer = this.installing ? undefined : this.state.serve(query, from);
    outbox.send(from, { kind: 'state-data', number, answer });
  }

  /** Whether a turn is wanted though nothing came in. */
  get hasWork(): boolean {
    return this.installing;
  }

  /** A step of the installation: between two of them messages are handled. */
  work(): void {
    if (!this.installing || !this.transfer!.install()) return;
    const { rows, nodes, bytes } = this.transfer!.progress;
    this.total.transfers++;
    this.total.rows += rows;
    this.total.nodes += nodes;
    this.total.bytes += bytes;
    this.installing = false;
    this.transfer = undefined;
    for (const source of this.sources) Object.assign(source, { restsUntil: 0, restMs: TransferLimits.restMs });
    const { sequence, stateDigest } = this.target!;
    assert(this.execution.lastCommitted === sequence, 'the state is that of the checkpoint');
    const { wanted } = this;
    this.wanted = undefined;
    if (wanted?.certificate === this.target) return wanted!.onBrought();
    this.checkpointing.onInstalled(sequence, stateDigest);
    this.execution.resume();
    this.onInstalled(sequence, stateDigest);
  }
}
