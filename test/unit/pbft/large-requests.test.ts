import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { Bodies, completed, isWhole, withNames } from '../../../src/pbft/bodies.js';
import { Configuration } from '../../../src/pbft/configuration.js';
import {
  type Batch,
  CallKind,
  type ProposedBatch,
  type ReplicaMessage,
  type Request,
} from '../../../src/pbft/messages.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';
import { Replica } from '../../../src/pbft/replica.js';
import { batchOf, FakeAuthentication, seal } from '../../simulation/fake-authentication.js';
import { MemoryState } from '../../simulation/memory-state.js';
import { setProtocolLimits } from '../../simulation/protocol-limits.js';

const NOW = { seconds: 1000, nanoseconds: 0 };
const TICK_MS = 20;

beforeEach(() => setProtocolLimits({ inlineRequestBytes: 0 }));
afterEach(() => setProtocolLimits({}));

function request(token: string, client = 1): Request {
  const calls = [{ kind: CallKind.Service, slot: 0, sequence: 1, operation: Buffer.from(`append ${token}`) }];
  return seal({ session: { client, instance: 1 }, readOnly: false, replier: 0, calls }, 4);
}

const spoiled = (good: Request): Request => ({
  ...good,
  authenticator: new Uint8Array(4),
  signature: new Uint8Array(64),
});
const batch = (...requests: Request[]): Batch => batchOf(NOW, requests);
const named = (whole: Batch): ProposedBatch => withNames(whole, () => true);

/** One replica of four, and what it says. */
class Alone {
  readonly replica: Replica;
  readonly records: JournalRecord[] = [];
  private now = 0;

  constructor(id: number, recovered: JournalRecord[] = []) {
    this.replica = new Replica({
      configuration: new Configuration(1, id),
      authentication: new FakeAuthentication(id),
      state: new MemoryState(),
      history: { digest: () => undefined, batch: () => undefined },
      recovered,
      batchWindow: 4,
      synced: false,
      life: 1,
    });
    this.pass(TICK_MS);
  }

  hear(message: ReplicaMessage, from: number): string[] {
    this.replica.receive(message, from);
    return this.said();
  }

  ask(body: Request): string[] {
    this.replica.receiveFromClient(body, body.session.client);
    return this.said();
  }

  pass(ms: number): string[] {
    const all: string[] = [];
    for (const end = this.now + ms; this.now < end; ) {
      this.now += TICK_MS;
      this.replica.tick(this.now, NOW);
      all.push(...this.said());
    }
    return all;
  }

  private said(): string[] {
    const { send, persist } = this.replica.takeReady();
    this.records.push(...persist);
    const sent = send.filter(({ message }) => message.kind !== 'status');
    return sent.map(({ to, message }) => `${message.kind}${this.naming(message)} to ${to}`);
  }

  private naming(message: ReplicaMessage): string {
    return message.kind === 'pre-prepare' && !isWhole(message.batch) ? ' naming' : '';
  }

  get rejected(): string[] {
    return Object.keys(this.replica.describe().rejected);
  }
}

const prePrepare = (proposed: ProposedBatch, sequence = 1): ReplicaMessage => ({
  kind: 'pre-prepare',
  view: 0,
  sequence,
  batch: proposed,
});

describe('a backup, of a batch in which requests are named', () => {
  it('prepares at once if their clients have sent them, and puts all of them on record', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'), request('b', 2));
    for (const each of whole.requests) expect(backup.ask(each)).toEqual([]);
    expect(backup.hear(prePrepare(named(whole)), 0)).toEqual(['prepare to replicas']);
    expect(backup.records).toMatchObject([{ kind: 'pre-prepared', batch: whole }]);
    const restarted = new Alone(1, backup.records);
    expect(restarted.hear({ kind: 'fetch-batch', sequence: 1, digest: whole.digest }, 2)).toEqual(['batch-data to 2']);
  });

  it('prepares when the last of them comes, and not before', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'), request('b', 2));
    expect(backup.ask(whole.requests[0])).toEqual([]);
    expect(backup.hear(prePrepare(named(whole)), 0)).toEqual([]);
    for (const from of [2, 3]) {
      expect(backup.hear({ kind: 'prepare', view: 0, sequence: 1, digest: whole.digest }, from)).toEqual([]);
    }
    expect(backup.records).toEqual([]);
    expect(backup.ask(whole.requests[1])).toEqual(['prepare to replicas', 'commit to replicas']);
    expect(backup.pass(200)).toEqual([]);
  });

  it('asks the primary for what does not come, then the others, and takes it from those it asked only', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'));
    const data: ReplicaMessage = { kind: 'batch-data', sequence: 1, batch: whole };
    backup.hear(prePrepare(named(whole)), 0);
    expect(backup.pass(2 * TICK_MS)).toEqual([]);
    expect(backup.pass(TICK_MS)).toEqual(['fetch-batch to 0']);
    expect(backup.hear(data, 3)).toEqual([]);
    const [next] = backup.pass(320);
    expect(next).toMatch(/^fetch-batch to [23]$/);
    expect(backup.hear(data, Number(next.at(-1)))).toEqual(['prepare to replicas']);
  });

  it('does not ask while large requests come, for up to 400 ms', () => {
    const backup = new Alone(1);
    backup.hear(prePrepare(named(batch(request('a')))), 0);
    for (let i = 0; i < 19; i++) expect([...backup.ask(request(`b${i}`)), ...backup.pass(TICK_MS)]).toEqual([]);
    expect([...backup.ask(request('c')), ...backup.pass(TICK_MS)]).toEqual(['fetch-batch to 0']);
  });

  it('does not take copies that prove nothing, from clients or from replicas', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'));
    backup.ask(spoiled(whole.requests[0]));
    backup.hear(prePrepare(named(whole)), 0);
    backup.pass(3 * TICK_MS);
    const bad = { ...whole, requests: whole.requests.map(spoiled) };
    expect(backup.hear({ kind: 'batch-data', sequence: 1, batch: bad }, 0)).toEqual([]);
    expect(backup.rejected).toContain('batch whose requests do not prove whose they are');
    expect(backup.hear({ kind: 'batch-data', sequence: 1, batch: whole }, 0)).toEqual([]);
    const [next] = backup.pass(320);
    expect(backup.hear({ kind: 'batch-data', sequence: 1, batch: whole }, Number(next.at(-1)))).toEqual([
      'prepare to replicas',
    ]);
  });

  it('takes a copy that proves nothing once f+1 others have prepared it', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'));
    backup.hear(prePrepare(named(whole)), 0);
    for (const from of [2, 3]) backup.hear({ kind: 'prepare', view: 0, sequence: 1, digest: whole.digest }, from);
    backup.pass(3 * TICK_MS);
    const bad = { ...whole, requests: whole.requests.map(spoiled) };
    expect(backup.hear({ kind: 'batch-data', sequence: 1, batch: bad }, 0)).toEqual([
      'prepare to replicas',
      'commit to replicas',
    ]);
  });

  it('prepares what it is sent whole after all, by a primary that resends', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'));
    backup.hear(prePrepare(named(whole)), 0);
    expect(backup.hear(prePrepare(whole), 0)).toEqual(['prepare to replicas']);
  });

  it('waits for nothing of a view that it has left', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'), request('b', 2));
    backup.hear(prePrepare(named(whole)), 0);
    const viewChange = (replica: number): ReplicaMessage => {
      const unsigned = { kind: 'view-change', view: 1, replica, certificate: undefined, prepared: [], prePrepared: [] };
      const signature = new FakeAuthentication(replica).signViewChange(unsigned as never);
      return { ...unsigned, signature } as ReplicaMessage;
    };
    for (const from of [2, 3]) backup.hear(viewChange(from), from);
    expect(backup.replica.describe().view).toBe(1);
    for (const each of whole.requests)
      expect(backup.ask(each).filter((said) => said.startsWith('prepare'))).toEqual([]);
    expect(backup.pass(400).filter((said) => said.startsWith('fetch'))).toEqual([]);
  });
});

describe('a large request at a backup', () => {
  it('is kept the first time, and waited for when its client asks again', () => {
    const backup = new Alone(1);
    expect(backup.ask(request('a'))).toEqual([]);
    expect(backup.pass(2000)).toEqual([]);
    expect(backup.ask(request('a'))).toEqual(['request to 0']);
  });

  it('is dropped if it is never ordered', () => {
    const backup = new Alone(1);
    const whole = batch(request('a'));
    backup.ask(whole.requests[0]);
    backup.pass(11_000);
    expect(backup.hear(prePrepare(named(whole)), 0)).toEqual([]);
  });

  it('is kept up to a limit for each client, and handled as others are above it', () => {
    const bodies = new Bodies();
    const many = Array.from({ length: Limits.pendingRequestsPerClient }, (_, i) => request(`a${i}`));
    for (const each of many) expect(bodies.hold(each, 0)).toBe(true);
    expect(bodies.hold(request('b'), 0)).toBe(false);
    expect(bodies.hold(request('b', 2), 0)).toBe(true);
    bodies.remove(many[3]);
    expect(bodies.hold(many[5], 0)).toBe(false);
    expect(bodies.hold(request('b'), 5000)).toBe(true);
    bodies.dropOld(10_000);
    expect(bodies.size).toBe(1);
    bodies.dropOld(15_000);
    expect(bodies.size).toBe(0);
    for (const each of many) expect(bodies.hold(each, 20_000)).toBe(true);
  });

  it('makes no batch that could not be handed on in a frame', () => {
    const large = Array.from({ length: 3 }, (_, i) => ({
      ...request(`a${i}`),
      body: new Uint8Array((Limits.batchBytes + Limits.requestBytes) / 3),
    }));
    const find = (digest: Uint8Array): Request | undefined => large.find((each) => each.digest === digest);
    expect(completed(named(batch(...large)), find)).toBeDefined();
    const more = [...large, request('b')];
    const findMore = (digest: Uint8Array): Request | undefined => more.find((each) => each.digest === digest);
    expect(completed(named(batch(...more)), findMore)).toBeUndefined();
  });
});

describe('a primary', () => {
  it('names large requests, and sends whole for a while those of a client whose bodies were asked for', () => {
    const primary = new Alone(0);
    const first = request('a');
    expect(primary.ask(first)).toEqual(['pre-prepare naming to replicas']);
    expect(primary.ask(request('b', 2))).toEqual(['pre-prepare naming to replicas']);
    const { digest } = primary.records[0] as { digest: Uint8Array };
    expect(primary.hear({ kind: 'fetch-batch', sequence: 1, digest }, 3)).toEqual(['batch-data to 3']);
    expect(primary.ask(request('c'))).toEqual(['pre-prepare to replicas']);
    expect(primary.ask(request('d', 2))).toEqual(['pre-prepare naming to replicas']);
  });

  it('names them again to who lacks the batch, and sends them to who asks', () => {
    const primary = new Alone(0);
    primary.ask(request('a'));
    const status: ReplicaMessage = {
      ...{ kind: 'status', view: 0, active: true, dissatisfied: false, viewChanges: 0, lastStable: 0, lastExecuted: 0 },
      ...{ lastFlushed: 0, recovering: false, awaited: 0, missing: [{ sequence: 1, batch: false, prepared: false }] },
    };
    expect(primary.hear(status, 3)).toEqual(['pre-prepare naming to 3']);
  });

  it('sends small requests whole', () => {
    setProtocolLimits({});
    expect(new Alone(0).ask(request('a'))).toEqual(['pre-prepare to replicas']);
  });
});
