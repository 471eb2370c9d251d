import { describe, expect, it } from 'vitest';
import { Configuration } from '../../../src/pbft/configuration.js';
import { type Batch, CallKind, type ReplicaMessage, SESSION_SLOT } from '../../../src/pbft/messages.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';
import { Replica } from '../../../src/pbft/replica.js';
import { openSessionOperation } from '../../../src/pbft/sessions.js';
import { FakeAuthentication, seal } from '../../simulation/fake-authentication.js';
import { MemoryState } from '../../simulation/memory-state.js';

const NOW = { seconds: 1000, nanoseconds: 0 };
const SESSION = { client: 1, instance: 1 };

/** One replica of 3f+1, alone with what a test sends it. */
class Alone {
  readonly state = new MemoryState();
  readonly replica: Replica;
  private readonly authentication: FakeAuthentication;

  constructor(
    readonly f: number,
    id: number,
    recovered: JournalRecord[] = [],
  ) {
    this.authentication = new FakeAuthentication(id);
    this.replica = new Replica({
      configuration: new Configuration(f, id),
      authentication: this.authentication,
      state: this.state,
      history: { digest: () => undefined, batch: () => undefined },
      recovered,
      synced: false,
      life: 1,
      batchWindow: 4,
    });
    this.replica.tick(1, NOW);
    this.replica.takeReady();
  }

  batch(): Batch {
    const operation = openSessionOperation(4, 0);
    const calls = [{ kind: CallKind.OpenSession, slot: SESSION_SLOT, sequence: 1, operation }];
    const requests = [seal({ session: SESSION, readOnly: false, replier: 0, calls }, 3 * this.f + 1)];
    return { time: NOW, requests, digest: this.authentication.batchDigest(NOW, requests) };
  }

  /** What it sends, and says to clients, after hearing that, and at the end of the tick. */
  hear(message: ReplicaMessage, from: number): string[] {
    this.replica.receive(message, from);
    const { send, replies } = this.replica.takeReady();
    this.replica.tick(1, NOW);
    send.push(...this.replica.takeReady().send);
    const said = replies.map(({ reply }) => (reply.tentative ? 'tentative reply' : 'reply'));
    return [...send.map(({ message: sent }) => sent.kind), ...said];
  }
}

describe.each([1, 2, 3])('quorums with f = %i', (f) => {
  it('a backup is prepared by 2f matching prepares with its own, answers tentatively, and commits by 2f+1 with its own', () => {
    const alone = new Alone(f, 1);
    const batch = alone.batch();
    const { digest } = batch;
    expect(alone.hear({ kind: 'pre-prepare', view: 0, sequence: 1, batch }, 0)).toEqual(['prepare']);
    const prepare: ReplicaMessage = { kind: 'prepare', view: 0, sequence: 1, digest };
    for (let from = 2; from < 2 * f; from++) expect(alone.hear(prepare, from)).toEqual([]);
    // The same again, another digest, and the primary's word for it do not count.
    if (f > 1) expect(alone.hear(prepare, 2)).toEqual([]);
    expect(alone.hear(prepare, 0)).toEqual([]);
    expect(alone.hear({ ...prepare, digest: new Uint8Array(32) }, 3 * f)).toEqual([]);
    expect(alone.hear(prepare, 2 * f)).toEqual(['commit', 'tentative reply']);

    const commit: ReplicaMessage = { kind: 'commit', view: 0, sequence: 1, digest };
    for (let i = 0; i < 2 * f - 1; i++) expect(alone.hear(commit, i === 0 ? 0 : i + 1)).toEqual([]);
    expect(alone.hear({ ...commit, digest: new Uint8Array(32) }, 3 * f)).toEqual([]);
    expect(alone.replica.describe().lastExecuted).toBe(0);
    expect(alone.hear(commit, 2 * f)).toEqual([]);
    expect(alone.replica.describe().lastExecuted).toBe(1);
  });

  it('commits do not commit what is not prepared', () => {
    const alone = new Alone(f, 1);
    const batch = alone.batch();
    for (let from = 0; from <= 3 * f; from++) {
      if (from !== 1) alone.hear({ kind: 'commit', view: 0, sequence: 1, digest: batch.digest }, from);
    }
    alone.hear({ kind: 'pre-prepare', view: 0, sequence: 1, batch }, 0);
    expect(alone.state.lastExecuted).toBe(0);
  });

  it('f+1 COMMITTED messages are needed, and enough, to execute a batch that is held', () => {
    const alone = new Alone(f, 1);
    const batch = alone.batch();
    alone.hear({ kind: 'pre-prepare', view: 0, sequence: 1, batch }, 0);
    for (let i = 0; i < f; i++) alone.hear({ kind: 'committed', sequence: 1, digest: batch.digest }, i + 2);
    expect(alone.state.lastExecuted).toBe(0);
    alone.hear({ kind: 'committed', sequence: 1, digest: batch.digest }, f + 2);
    expect(alone.state.lastExecuted).toBe(1);
  });
});

describe('after a restart', () => {
  const read = (alone: Alone): number => {
    const calls = [{ kind: CallKind.Service, slot: 0xffff, sequence: 1, operation: Buffer.from('length') }];
    alone.replica.receiveFromClient(seal({ session: SESSION, readOnly: true, replier: 0, calls }, 4), 1);
    return alone.replica.takeReady().replies.length;
  };

  it('no read is answered until what the journal shows as prepared has executed again', () => {
    const batch = new Alone(1, 1).batch();
    const second: Batch = { ...batch, requests: [], digest: new FakeAuthentication(1).batchDigest(NOW, []) };
    const alone = new Alone(1, 1, [
      { kind: 'pre-prepared', view: 0, sequence: 1, digest: batch.digest, batch },
      { kind: 'prepared', view: 0, sequence: 1, digest: batch.digest },
      { kind: 'committed', sequence: 1, digest: batch.digest },
      { kind: 'pre-prepared', view: 0, sequence: 2, digest: second.digest, batch: second },
      { kind: 'prepared', view: 0, sequence: 2, digest: second.digest },
    ]);
    expect(alone.replica.describe().lastExecuted).toBe(1);
    expect(read(alone)).toBe(0);
    expect(alone.replica.describe().state).toBe('recovering');
    for (const from of [2, 3]) alone.hear({ kind: 'committed', sequence: 2, digest: second.digest }, from);
    expect(alone.replica.describe().lastExecuted).toBe(2);
    expect(read(alone)).toBe(1);
  });

  it('a state far behind its journal, further than the log is long, comes up to it', () => {
    const authentication = new FakeAuthentication(0);
    const executed = new MemoryState();
    const history = { digest: () => undefined, batch: () => undefined };
    const create = (state: MemoryState, recovered: JournalRecord[]): Replica =>
      new Replica({
        configuration: new Configuration(0, 0),
        authentication,
        state,
        history,
        recovered,
        synced: false,
        life: 1,
        batchWindow: 4,
      });
    const first = create(executed, []);
    first.tick(1, NOW);
    const journal: JournalRecord[] = [];
    const call = (kind: number, slot: number, sequence: number, operation: Uint8Array): void => {
      const calls = [{ kind, slot, sequence, operation }];
      first.receiveFromClient(seal({ session: SESSION, readOnly: false, replier: 0, calls }, 1), 1);
      const { persist, notes } = first.takeReady();
      journal.push(...persist, ...notes);
    };
    call(CallKind.OpenSession, SESSION_SLOT, 1, openSessionOperation(4, 0));
    for (let i = 1; i < 2000; i++) call(CallKind.Service, 0, i, Buffer.from(`append ${i}`));
    expect(first.describe().lastExecuted).toBe(2000);
    const fallenBack = new MemoryState();
    const second = create(fallenBack, journal);
    expect(second.describe()).toMatchObject({ lastExecuted: 2000, state: 'normal' });
    expect(fallenBack.list).toEqual(executed.list);
  });

  it('a sequence number on record is not given to another batch', () => {
    const batch = new Alone(1, 0).batch();
    const alone = new Alone(1, 0, [{ kind: 'pre-prepared', view: 0, sequence: 1, digest: batch.digest, batch }]);
    const calls = [
      { kind: CallKind.OpenSession, slot: SESSION_SLOT, sequence: 2, operation: openSessionOperation(1, 0) },
    ];
    const session = { client: 1, instance: 2 };
    alone.replica.receiveFromClient(seal({ session, readOnly: false, replier: 0, calls }, 4), 1);
    const proposals = alone.replica.takeReady().send.filter(({ message }) => message.kind === 'pre-prepare');
    expect(proposals.map(({ message }) => 'sequence' in message && message.sequence)).toEqual([2]);
  });
});
