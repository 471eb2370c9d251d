import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { Configuration } from '../../../src/pbft/configuration.js';
import { startOf } from '../../../src/pbft/incarnation.js';
import type {
  Checkpoint,
  Forgotten,
  NewIncarnation,
  NewView,
  ReplicaMessage,
  ReplyStable,
  Status,
  ViewChange,
} from '../../../src/pbft/messages.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';
import { Replica } from '../../../src/pbft/replica.js';
import { batchOf, FakeAuthentication } from '../../simulation/fake-authentication.js';
import { MemoryState } from '../../simulation/memory-state.js';
import { newReplica } from './replica.js';

const ME = 1;
const LIFE = 77;
const TIME = { seconds: 1000, nanoseconds: 0 };
const { checkpointInterval, logSize } = Limits;
const batch = batchOf(TIME, []);

/** A replica, alone with what the test has others say. */
class Alone {
  readonly replica: Replica;
  readonly journal: JournalRecord[] = [];
  readonly atStart: ReplicaMessage[];
  private now = 0;

  constructor(
    recovered: JournalRecord[],
    readonly state = new MemoryState(),
  ) {
    this.replica = new Replica({
      configuration: new Configuration(1, ME),
      authentication: new FakeAuthentication(ME),
      state: this.state,
      history: { digest: () => undefined, batch: () => undefined },
      recovered,
      synced: false,
      life: LIFE,
      batchWindow: 4,
    });
    this.replica.tick(0, TIME);
    this.atStart = this.takes();
  }

  /** What it says to that, and to the time that passes. */
  hears(message: ReplicaMessage, ...from: number[]): ReplicaMessage[] {
    for (const id of from) this.replica.receive(message, id);
    return this.takes();
  }

  pass(ms: number): ReplicaMessage[] {
    this.now += ms;
    this.replica.tick(this.now, TIME);
    return this.takes();
  }

  private takes(): ReplicaMessage[] {
    const { notes, persist, send } = this.replica.takeReady();
    this.journal.push(...notes, ...persist);
    return send.map(({ message }) => message);
  }

  /** The others say, and prove, what it takes to execute up to a checkpoint that is stable. */
  catchUpTo(sequence: number): void {
    for (let each = this.state.lastExecuted + 1; each <= sequence; each++) {
      this.hears({ kind: 'committed', sequence: each, digest: batch.digest }, 0, 2);
      // Only an answer of the one that was asked is taken.
      this.hears({ kind: 'batch-data', sequence: each, batch }, 0, 2, 3);
      if (each % checkpointInterval !== 0) continue;
      this.certify(each, this.state.checkpoint());
    }
  }

  private certify(sequence: number, stateDigest: Uint8Array): void {
    for (const replica of [0, 2, 3]) {
      const signature = new FakeAuthentication(replica).signCheckpoint(sequence, stateDigest);
      this.hears({ kind: 'checkpoint', sequence, stateDigest, replica, signature }, replica);
    }
  }

  /** The others prove that they have come to a checkpoint, and bring its state. */
  takeStateOf(sequence: number): void {
    const other = new MemoryState();
    for (let each = 1; each <= sequence; each++) {
      other.beginBatch(each);
      other.endBatch(TIME);
      other.commitBatch();
    }
    this.certify(sequence, other.checkpoint());
    for (let said = this.pass(2000); this.state.lastExecuted < sequence; said = this.pass(20)) {
      for (const message of said) {
        if (message.kind !== 'fetch-state') continue;
        const { number, query } = message;
        this.hears({ kind: 'state-data', number, answer: other.serve(query) }, 0, 2, 3);
      }
    }
  }

  get recovering(): boolean {
    return this.replica.describe().state === 'recovering';
  }
}

const MARK: JournalRecord = { kind: 'recovering', diskLost: false };
const answer = (lastCheckpoint: number, lastPrepared: number, view = 0, life = LIFE): ReplyStable => ({
  kind: 'reply-stable',
  life,
  lastCheckpoint,
  lastPrepared,
  view,
});
const kindsOf = (messages: ReplicaMessage[]): string[] => [...new Set(messages.map(({ kind }) => kind))].sort();
const statusIn = (messages: ReplicaMessage[]): Status | undefined =>
  messages.find((message): message is Status => message.kind === 'status');
const propose = (view: number, sequence: number): ReplicaMessage => ({ kind: 'pre-prepare', view, sequence, batch });

describe('a replica that may have forgotten what it said', () => {
  it('asks how far the others are, until it knows, and votes for nothing', () => {
    const alone = new Alone([MARK]);
    expect(kindsOf(alone.atStart)).toContain('query-stable');
    expect(kindsOf(alone.pass(200))).toContain('query-stable');
    expect(alone.hears(propose(0, 1), 0)).toEqual([]);
    expect(alone.journal).toEqual([]);
    expect(alone.recovering).toBe(true);
    alone.hears(answer(0, 5), 0, 2, 3);
    expect(kindsOf(alone.pass(1000))).toEqual(['status']);
  });

  it('is not told anything by an answer to an earlier life, nor by fewer than 2f+1', () => {
    const alone = new Alone([MARK]);
    alone.hears(answer(0, 5), 0, 2);
    alone.hears(answer(0, 5, 0, LIFE - 1), 3);
    expect(statusIn(alone.pass(1000))).toMatchObject({ recovering: true, awaited: 0 });
    alone.hears(answer(0, 5), 3);
    expect(statusIn(alone.pass(1000))).toMatchObject({ recovering: true, awaited: logSize });
  });

  it.each([
    ['who is far ahead', [answer(1280, 1290), answer(128, 200), answer(128, 200)]],
    ['who is far behind', [answer(0, 0), answer(128, 200), answer(128, 130)]],
  ])('estimates H_M whatever a faulty one says %s', (_, answers) => {
    for (const order of [
      [0, 1, 2],
      [1, 2, 0],
      [2, 0, 1],
    ]) {
      const alone = new Alone([MARK]);
      for (const [index, from] of [0, 2, 3].entries()) alone.hears(answers[order[index]], from);
      const { awaited } = statusIn(alone.pass(1000))!;
      // None where the faulty one is needed to make three below the others: then the fourth has to answer.
      expect([0, 128 + logSize]).toContain(awaited);
    }
  });

  it('waits for a checkpoint that there will be, where others have had none since an incarnation began', () => {
    const alone = new Alone([MARK]);
    alone.hears(answer(checkpointInterval - 2, checkpointInterval - 1), 0, 2, 3);
    expect(statusIn(alone.pass(1000))).toMatchObject({ recovering: true, awaited: logSize + checkpointInterval });
  });

  it('votes again once a checkpoint at H_M is stable here, and then in later views only', () => {
    const alone = new Alone([MARK]);
    alone.hears(answer(0, 5), 0, 2, 3);
    alone.catchUpTo(logSize - 1);
    alone.pass(20);
    expect(alone.recovering).toBe(true);
    alone.catchUpTo(logSize);
    alone.pass(20);
    expect(alone.journal).toContainEqual({ kind: 'recovered', votesFrom: 1 });
    expect(alone.recovering).toBe(false);
    expect(alone.hears(propose(0, logSize + 1), 0)).toEqual([]);
  });

  it('remembers through restarts that it is recovering, and in which views it votes', () => {
    expect(new Alone([MARK]).recovering).toBe(true);
    const again = new Alone([MARK, { kind: 'recovered', votesFrom: 1 }]);
    expect(again.recovering).toBe(false);
    expect(again.hears(propose(0, 1), 0)).toEqual([]);
    const never = new Alone([]);
    expect(kindsOf(never.hears(propose(0, 1), 0))).toEqual(['prepare']);
  });

  it('commits, without a voice, what 2f+1 others commit', () => {
    const alone = new Alone([MARK]);
    alone.hears(propose(0, 1), 0);
    alone.hears({ kind: 'commit', view: 0, sequence: 1, digest: batch.digest }, 0, 2);
    expect(alone.state.lastExecuted).toBe(0);
    alone.hears({ kind: 'commit', view: 0, sequence: 1, digest: batch.digest }, 3);
    expect(alone.state.lastExecuted).toBe(1);
  });

  it('takes from its journal what it contains, and no vote', () => {
    const { digest } = batch;
    const votes: JournalRecord[] = [
      { kind: 'pre-prepared', view: 0, sequence: 1, digest, batch },
      { kind: 'prepared', view: 0, sequence: 1, digest },
    ];
    expect(new Alone(votes).state.lastExecuted).toBe(1);
    const alone = new Alone([...votes, MARK]);
    expect(alone.state.lastExecuted).toBe(0);
    alone.hears({ kind: 'committed', sequence: 1, digest }, 0, 2);
    expect(alone.state.lastExecuted).toBe(1);
  });

  it('has nothing to tell another', () => {
    const query: ReplicaMessage = { kind: 'query-stable', life: 1 };
    expect(new Alone([MARK]).hears(query, 2)).toEqual([]);
    expect(new Alone([]).hears(query, 2)).toEqual([answer(0, 0, 0, 1)]);
  });
});

describe('a replica whose disk went back in time', () => {
  const ROOT = Buffer.alloc(32, 1);
  const FORGOTTEN: JournalRecord = { kind: 'recovering', diskLost: true };
  const signed = (replica: number, sequence: number = checkpointInterval): Checkpoint => {
    const stateDigest = ROOT;
    const signature = new FakeAuthentication(replica).signCheckpoint(sequence, stateDigest);
    return { kind: 'checkpoint', sequence, stateDigest, replica, signature };
  };
  const viewChange = (view: number, replica: number, certificate?: ViewChange['certificate']): ViewChange => {
    const seen: Pick<ViewChange, 'certificate' | 'prepared' | 'prePrepared'> = {
      ...{ certificate, prepared: [], prePrepared: [] },
    };
    const unsigned = { kind: 'view-change', view, replica, ...seen } as const;
    return { ...unsigned, signature: new FakeAuthentication(replica).signViewChange(unsigned) };
  };
  const newView = (view: number, ...from: number[]): NewView => {
    const viewChanges = from.map((replica) => viewChange(view, replica));
    const signature = new FakeAuthentication(view % 4).signNewView(view, viewChanges);
    return { kind: 'new-view', view, viewChanges, signature };
  };

  it('is told by a checkpoint that it signed, whoever passes it on: it puts that on record, and says nothing more', () => {
    const alone = new Alone([]);
    alone.replica.receive(propose(0, 1), 0);
    expect(alone.hears(signed(ME), 3)).toEqual([]);
    expect(alone.journal.at(-1)).toEqual(FORGOTTEN);
    expect(alone.recovering).toBe(true);
    expect(kindsOf(alone.pass(200))).toEqual(['query-stable', 'status']);
    expect(alone.hears(propose(0, 2), 0)).toEqual([]);
    expect(new Alone(alone.journal).recovering).toBe(true);
  });

  it('is told by a checkpoint that is stable, by a certificate, and by its own view-change in a new-view', () => {
    const signatures = [0, ME, 3].map((id) => signed(id));
    const { sequence, stateDigest } = signatures[0];
    const late = new Alone([]);
    for (const id of [0, 2, 3, ME]) late.hears(signed(id), 0);
    expect(late.journal).toContainEqual(FORGOTTEN);
    const powerless = new Alone([MARK]);
    powerless.hears(signed(ME), 0);
    expect(powerless.journal).toEqual([FORGOTTEN]);
    const shown = new Alone([]);
    shown.hears(viewChange(2, 3, { sequence, stateDigest, signatures }), 3);
    expect(shown.journal).toContainEqual(FORGOTTEN);
    const begun = new Alone([]);
    begun.hears(newView(2, 0, ME, 2), 2);
    expect(begun.journal).toContainEqual(FORGOTTEN);
    expect(begun.replica.describe()).toMatchObject({ view: 2, state: 'recovering' });
  });

  it('is not made one by lies', () => {
    const alone = new Alone([]);
    alone.hears({ ...signed(ME), signature: signed(3).signature }, 3);
    alone.hears({ ...signed(ME), sequence: 2 * checkpointInterval }, 2);
    expect(alone.replica.describe().suspicions.map(({ replica }) => replica)).toEqual([3, 2]);
    alone.hears(newView(2, 0, 2, 3), 2);
    expect(alone.journal.map(({ kind }) => kind)).toEqual(['new-view']);
    expect(alone.recovering).toBe(false);
  });

  it('is none whose own words are on record, before and after a restart', () => {
    const alone = new Alone([]);
    alone.catchUpTo(2 * checkpointInterval);
    alone.hears(viewChange(2, 0), 0);
    alone.hears(viewChange(2, 3), 3);
    expect(alone.journal).toContainEqual(expect.objectContaining({ kind: 'view-change' }));
    // A certificate on record is enough: what this replica signed before it is let go of. Nor need one be on record yet.
    const without = (what: JournalRecord['kind']): Alone =>
      new Alone(alone.journal.filter(({ kind }) => kind !== what));
    for (const each of [alone, without('checkpoint'), without('stable')]) {
      for (const sequence of [1, 2]) each.hears(signed(ME, sequence * checkpointInterval), 0);
      each.hears(newView(2, 0, ME, 3), 2);
      expect(each.journal).not.toContainEqual(FORGOTTEN);
      expect(each.replica.describe()).toMatchObject({ view: 2, suspicions: [] });
    }
  });

  it('puts on record what it signs when it executes again, before it says so', () => {
    const { digest } = batch;
    const committed = Array.from({ length: checkpointInterval }, (_, i) => ({ sequence: i + 1, digest, batch }));
    const alone = new Alone(committed.map((each) => ({ kind: 'committed', ...each })));
    expect(alone.state.lastExecuted).toBe(checkpointInterval);
    expect(alone.journal).toMatchObject([{ kind: 'checkpoint', checkpoint: { sequence: checkpointInterval } }]);
  });

  it('has recovered for good: what it forgot is no news any more, before and after a restart', () => {
    const alone = new Alone([]);
    alone.hears(signed(ME), 0);
    alone.hears(answer(0, 5), 0, 2, 3);
    alone.takeStateOf(logSize);
    alone.pass(20);
    expect(alone.recovering).toBe(false);
    for (const each of [alone, new Alone(alone.journal, alone.state)]) {
      const before = each.journal.length;
      each.hears(signed(ME, logSize), 0);
      each.hears(newView(1, 0, ME, 3), 2);
      expect(each.journal.slice(before)).not.toContainEqual(FORGOTTEN);
      expect(each.recovering).toBe(false);
    }
    alone.hears(newView(2, 0, 2, 3), 2);
    expect(kindsOf(alone.hears(propose(2, logSize + 1), 2))).toEqual(['prepare']);
  });
});

describe('a primary that recovers', () => {
  it('is complained of at once, and replaced by f+1 who do: it waits for what it does not order', () => {
    const alone = new Alone([]);
    const said: Status = { ...statusIn(alone.pass(1000))!, recovering: true };
    alone.hears(said, 2);
    expect(statusIn(alone.pass(1000))).toMatchObject({ dissatisfied: false });
    alone.hears(said, 0);
    expect(statusIn(alone.pass(20))).toMatchObject({ dissatisfied: true });
    const answer = alone.hears({ ...said, recovering: false, dissatisfied: true }, 3);
    expect(kindsOf(answer)).toContain('view-change');
  });
});

describe('a primary', () => {
  const waiting = (awaited: number): Status => ({
    kind: 'status',
    view: 0,
    active: true,
    dissatisfied: false,
    viewChanges: 0,
    lastStable: 0,
    lastExecuted: 0,
    lastFlushed: 0,
    recovering: true,
    awaited,
    missing: [],
  });

  it('orders batches of nothing while someone waits for a checkpoint, within its water marks', () => {
    const proposals = (status: Status): number => {
      const replica = newReplica(0);
      replica.tick(0, TIME);
      replica.receive(status, 2);
      const { send } = replica.takeReady();
      return send.filter(({ message }) => message.kind === 'pre-prepare').length;
    };
    expect(proposals(waiting(logSize))).toBe(4);
    expect(proposals(waiting(0))).toBe(0);
    expect(proposals(waiting(10 * logSize))).toBe(0);
    expect(proposals({ ...waiting(logSize), recovering: false })).toBe(0);
  });
});

describe('a replica that may have forgotten what it said in a later incarnation', () => {
  const claim = (replica: number): Forgotten => {
    const heard = [0, 0, 5, 5].map((life, other) => (other === replica ? 0 : life));
    const unsigned = { kind: 'forgotten' as const, replica, incarnation: 1, life: 5, heard };
    return { ...unsigned, signature: new FakeAuthentication(replica).signForgotten(unsigned) };
  };
  const report = {
    replica: ME,
    incarnation: 2,
    certificate: undefined,
    flushed: undefined,
    checkpoints: [],
    ordered: [],
  };
  const origin: NewIncarnation = {
    kind: 'new-incarnation',
    incarnation: 2,
    forgotten: [claim(2), claim(3)],
    report: { ...report, signature: new Uint8Array(0) },
  };
  const behind: Status = {
    ...{ kind: 'status', view: startOf(1), active: true, dissatisfied: false, viewChanges: 0, lastStable: 0 },
    ...{ lastExecuted: 0, lastFlushed: 0, recovering: true, awaited: 0, missing: [] },
  };

  it('shows those behind that it has begun, and nothing of its own: each of them may recover in another one', () => {
    const alone = new Alone([{ kind: 'incarnation', message: origin }, MARK]);
    expect(alone.recovering).toBe(true);
    const shown = alone.hears(behind, 0).filter((message) => message.kind === 'new-incarnation');
    expect(shown).toEqual([{ ...origin, report: undefined }]);
    const other = new Alone([]);
    other.hears(shown[0], 0);
    expect(other.journal).toContainEqual(
      expect.objectContaining({ kind: 'incarnation', message: expect.objectContaining({ incarnation: 2 }) }),
    );
  });
});
