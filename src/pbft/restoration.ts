import { Limits } from '../limits.js';
import { Assembly, type Surroundings } from './assembly.js';
import { type Core, isDesignated } from './core.js';
import { DigestChain } from './digest-chain.js';
import { digestKey } from './digests.js';
import { incarnationOf, startOf } from './incarnation.js';
import type { LogEntry } from './log.js';
import type { Batch, Digest, NewIncarnation, Numbered, SequenceNumber, View } from './messages.js';
import type { JournalRecord } from './ports.js';

type Vote = Extract<JournalRecord, { sequence: SequenceNumber }>;

/** Whether it has to keep silent, and why; in which views it has a voice. */
type Standing = Pick<Core, 'recovering' | 'diskLost' | 'votesFrom'>;

/** Takes up where the journal ends: keeps every promise in it, and executes again what the state lacks. */
export function restore(surroundings: Surroundings, recovered: readonly JournalRecord[]): Assembly {
  const { state } = surroundings;
  const { origin, standing } = lastStanding(recovered);
  const incarnation = origin?.incarnation ?? 0;
  const isOf = (number: SequenceNumber | View): boolean => incarnationOf(number) === incarnation;
  let stable: SequenceNumber | undefined;
  for (const record of recovered) {
    if (record.kind !== 'stable' || !isOf(record.certificate.sequence)) continue;
    stable = Math.max(stable ?? 0, record.certificate.sequence);
  }
  const rooms = new Assembly(surroundings, { incarnation, origin, stable, known: undefined });
  Object.assign(rooms.core, standing);
  if (state.lastExecuted < startOf(incarnation)) {
    replayEarlier(rooms, surroundings, recovered);
    rooms.resumption.known = chainAtState(surroundings, recovered);
  }
  new Restoration(rooms, surroundings).restore(recovered, isOf);
  return rooms;
}

function lastStanding(recovered: readonly JournalRecord[]): { origin: NewIncarnation | undefined; standing: Standing } {
  const standing: Standing = { recovering: false, diskLost: false, votesFrom: 0 };
  let origin: NewIncarnation | undefined;
  for (const record of recovered) {
    if (record.kind === 'recovering') {
      standing.recovering = true;
      standing.diskLost ||= record.diskLost;
    } else if (record.kind === 'recovered') {
      Object.assign(standing, { recovering: false, diskLost: false, votesFrom: record.votesFrom });
    } else if (record.kind === 'incarnation' && record.message.incarnation >= (origin?.incarnation ?? 0)) {
      origin = record.message;
      // Nothing was said in it before this was on stable storage; but by one that lost its disk perhaps.
      standing.recovering = standing.diskLost;
    }
  }
  return { origin, standing };
}

/**
 * In the earlier incarnation that the state is of, executes all that a checkpoint of this replica's own covers: it may be
 * this replica's word that this can be had from it.
 */
function replayEarlier({ execution }: Assembly, { state }: Surroundings, recovered: readonly JournalRecord[]): void {
  const contents = new Map<string, Batch>();
  const decided = new Map<SequenceNumber, Digest>();
  let covered = 0;
  const isOfState = (sequence: SequenceNumber): boolean =>
    incarnationOf(sequence) === incarnationOf(state.lastExecuted);
  for (const record of recovered) {
    if (record.kind === 'checkpoint' && isOfState(record.checkpoint.sequence)) {
      covered = Math.max(covered, record.checkpoint.sequence);
    }
    if (!('sequence' in record)) continue;
    if ('batch' in record && record.batch !== undefined) contents.set(digestKey(record.batch.digest), record.batch);
    // Below a checkpoint of its own what prepared last committed.
    if (record.kind !== 'pre-prepared') decided.set(record.sequence, record.digest);
  }
  while (state.lastExecuted < covered) {
    const sequence = state.lastExecuted + 1;
    const digest = decided.get(sequence);
    const batch = digest && contents.get(digestKey(digest));
    if (batch === undefined) return;
    execution.replay(sequence, batch);
    if (sequence % Limits.checkpointInterval === 0) state.checkpoint();
  }
}

/** The digest chain at a state of an earlier incarnation, as far as it can be computed. */
function chainAtState(
  { authentication, state, history }: Surroundings,
  recovered: readonly JournalRecord[],
): Numbered | undefined {
  const digests = new Map<SequenceNumber, Digest>();
  for (const record of recovered) {
    if (record.kind === 'stable') digests.set(record.certificate.sequence, record.certificate.stateDigest);
    if (record.kind === 'checkpoint') digests.set(record.checkpoint.sequence, record.checkpoint.stateDigest);
  }
  const chain = new DigestChain(authentication);
  const { lastExecuted: sequence } = state;
  chain.restore(
    sequence,
    (at) => digests.get(at),
    (at) => (at > state.installed ? history.digest(at) : undefined),
  );
  const digest = chain.at(sequence);
  return digest && { sequence, digest };
}

class Restoration {
  constructor(
    private readonly rooms: Assembly,
    private readonly surroundings: Surroundings,
  ) {}

  restore(recovered: readonly JournalRecord[], isOf: (number: SequenceNumber | View) => boolean): void {
    const { core, checkpointing, viewChanges, execution, normalCase, flushing, chain } = this.rooms;
    const { state, history } = this.surroundings;
    for (const record of recovered) {
      if (record.kind === 'stable' && isOf(record.certificate.sequence)) {
        checkpointing.restoreCertificate(record.certificate);
      }
    }
    for (const record of recovered) {
      if (record.kind === 'checkpoint' && isOf(record.checkpoint.sequence))
        checkpointing.restoreVote(record.checkpoint);
      if (record.kind === 'flushed') flushing.restore(record.certificate);
    }
    if (isOf(state.lastExecuted)) {
      chain.restore(
        state.lastExecuted,
        (sequence) => checkpointing.digestAt(sequence),
        (sequence) => history.digest(sequence),
      );
    }
    let beyond: Vote[] = [];
    for (const record of recovered) {
      if (record.kind === 'view-change') {
        if (isOf(record.message.view)) viewChanges.restoreViewChange(record.message);
      } else if (record.kind === 'new-view') {
        if (isOf(record.message.view)) viewChanges.restoreNewView(record.message);
      } else if ('sequence' in record && !this.restoreVote(record)) beyond.push(record);
    }
    this.executeCovered();
    // The state may be further behind the journal than the log is long: what it executes makes room for the rest.
    for (let before = -1; beyond.length > 0 && execution.lastCommitted > before; ) {
      before = execution.lastCommitted;
      beyond = beyond.filter((record) => !this.restoreVote(record));
      this.executeCovered();
    }
    execution.holdReadsUntil(checkpointing.certified);
    const { begun } = viewChanges;
    if (begun !== undefined) {
      normalCase.enterView(begun);
      execution.holdReadsUntil(begun.start + begun.chosen.length);
    }
    for (const { sequence, view } of core.log.inOrder()) if (view >= 0) normalCase.taken(sequence);
    execution.advance();
    // Nobody waits for what was said in the life before. But a checkpoint that was taken only now is not on record yet.
    const { persist } = core.outbox.take();
    for (const record of persist) if (record.kind === 'checkpoint') core.outbox.persist(record);
    core.outbox.silent = core.recovering;
    flushing.restored(execution.lastCommitted);
    checkpointing.restored();
    normalCase.resume();
  }

  /**
   * All that its state or a checkpoint of its own covers had committed here, if without a record then what prepared last:
   * it may be this replica's word that lets others execute it. Of what a state transfer brought that cannot be known.
   */
  private executeCovered(): void {
    const { core, checkpointing, execution } = this.rooms;
    const covered = Math.max(checkpointing.lastVoted, execution.lastCommitted);
    for (const entry of core.log.inOrder()) {
      if (entry.sequence <= covered && execution.executedHere(entry.sequence))
        entry.committed ??= entry.lastPrepared?.digest;
    }
    execution.advance();
  }

  /**
   * One vote of this replica's past, which it keeps to.
   * @returns false if the log does not reach there yet
   */
  private restoreVote(record: Vote): boolean {
    const { core, execution, checkpointing } = this.rooms;
    const { sequence } = record;
    if (sequence <= core.log.lowWaterMark) return true;
    if (!core.log.recordable(sequence)) return false;
    const entry = core.log.entry(sequence, 0);
    if (record.kind === 'committed') {
      if (record.batch !== undefined) entry.restoreContent(record.batch);
      entry.committed = record.digest;
      execution.holdReadsUntil(sequence);
      return true;
    }
    const { view, digest } = record;
    if (core.recovering && sequence > checkpointing.lastVoted) {
      // Later votes may be missing, and what did not commit is worth nothing without them. Contents are what they are.
      if (record.kind === 'prepared') entry.hinted = digest;
      else if (record.batch !== undefined) entry.restoreContent(record.batch);
      return true;
    }
    if (record.kind === 'prepared') {
      entry.notePrepared(view, digest);
      execution.holdReadsUntil(sequence);
    } else {
      if (record.batch !== undefined) entry.restoreContent(record.batch);
      entry.notePrePrepared(view, digest);
    }
    if (view === core.view && core.active && !core.recovering) this.restoreProposal(entry, record);
    return true;
  }

  /** The same in the view that this replica is still in. */
  private restoreProposal(entry: LogEntry, { kind, view, digest }: { kind: string; view: View; digest: Digest }): void {
    const { core } = this.rooms;
    const { id } = core.configuration;
    if (kind === 'prepared') {
      entry.prepared = true;
      entry.commits.add(id, view, digest);
      return;
    }
    entry.propose(view, digest, entry.held(digest), true);
    entry.prePrepared = true;
    if (!isDesignated(core)) entry.prepares.add(id, view, digest);
  }
}
