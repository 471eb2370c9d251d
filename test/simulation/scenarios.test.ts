import { describe, expect, it } from 'vitest';
import type { Behaviour } from './byzantine/behaviour.js';
import { batchOf } from './fake-authentication.js';
import { FAIR, STORMY } from './network.js';
import { Workload } from './workload.js';
import { World, type WorldOptions } from './world.js';

const world = (options: Partial<WorldOptions> & { seed: number }): World => new World({ f: 1, clients: 3, ...options });

const work = (w: World, operations: number): Workload =>
  new Workload(w, { operations, writers: 4, readers: 2, thinkMs: 0, registers: 4, durable: 0.04 });

/** All correct replicas come to one state, and nothing was wrong on the way. */
function converge(w: World): void {
  expect(w.runUntil(() => w.divergence() === undefined, 20_000)).toBe(true);
  w.checkHistories();
}

function finish(w: World, workload: Workload, limitMs = 60_000): void {
  expect(w.runUntil(() => workload.done, limitMs)).toBe(true);
  converge(w);
}

function answered(w: World, operation: string, limitMs = 20_000): string {
  const call = w.call(0, operation);
  w.runUntil(() => call.result !== undefined, limitMs);
  return call.result ?? 'no answer';
}

describe('without faults', () => {
  for (const f of [0, 1, 2, 3]) {
    it(`orders the calls of three clients with f = ${f}, in view 0`, () => {
      const w = world({ seed: 10 + f, f });
      finish(w, work(w, 600));
      expect(w.primary).toBe(0);
      expect(w.viewChanges).toBe(0);
    });
  }

  it('makes checkpoints stable and drops the log below them', () => {
    const w = world({ seed: 5 });
    finish(w, work(w, 3000));
    w.run(3000);
    for (const { replica } of w.hosts) {
      const { lastExecuted, stableCheckpoint, logEntries } = replica!.describe();
      expect(stableCheckpoint).toBe(lastExecuted - (lastExecuted % 128));
      expect(stableCheckpoint).toBeGreaterThan(0);
      expect(logEntries).toBe(lastExecuted % 128);
    }
  });
});

describe('crashes and partitions', () => {
  it('a stormy network delays, and does no more', () => {
    const w = world({ seed: 1, weather: STORMY });
    finish(w, work(w, 500), 300_000);
  });

  it('a new primary takes over within 2 s when the old one is killed', () => {
    const w = world({ seed: 2 });
    expect(answered(w, 'append first')).toBe('1');
    w.hosts[0].kill();
    const killed = w.now;
    expect(answered(w, 'append second')).toBe('2');
    expect(w.now - killed).toBeLessThan(2000);
    w.hosts[0].start();
    converge(w);
  });

  it('the primaries of ten views are killed and restarted in a row', () => {
    const w = world({ seed: 3 });
    const workload = new Workload(w, {
      operations: 1200,
      writers: 2,
      readers: 1,
      thinkMs: 150,
      registers: 4,
      durable: 0.04,
    });
    for (let i = 0; i < 10; i++) {
      const host = w.hosts[w.primary];
      host.kill();
      w.run(1500);
      host.start();
      w.run(500);
    }
    expect(w.hosts[w.primary].replica!.describe().view).toBeGreaterThanOrEqual(10);
    finish(w, workload, 120_000);
  });

  it('proposals on record only at the primary are taken up after all were down for an hour', () => {
    const w = world({ seed: 21, clients: 1 });
    expect(answered(w, 'append first')).toBe('1');
    const heal = w.network.cut([0], [1, 2, 3]);
    const calls = [1, 2, 3, 4].map((i) => w.call(0, `append unseen-${i}`));
    w.run(300);
    for (const host of w.hosts) host.kill();
    heal();
    w.run(3_600_000);
    for (const host of w.hosts) host.start();
    expect(w.runUntil(() => calls.every(({ result }) => result !== undefined), 60_000)).toBe(true);
    expect(answered(w, 'append last')).toBe('6');
    converge(w);
  });

  it('a replica that was cut off for 2,000 batches catches up without a view change', { timeout: 120_000 }, () => {
    const w = world({ seed: 4, clients: 1 });
    const heal = w.network.separate([3], [0, 1, 2, ...w.clientAddresses]);
    const workload = new Workload(w, {
      operations: 2000,
      writers: 1,
      readers: 0,
      thinkMs: 0,
      registers: 4,
      durable: 0.04,
    });
    expect(w.runUntil(() => workload.done, 600_000)).toBe(true);
    heal();
    finish(w, workload);
    expect(w.hosts[0].replica!.describe().view).toBe(0);
  });
});

describe('catching up', () => {
  it('asks again after many batches, not after each', () => {
    const w = world({ seed: 6, clients: 1, weather: { ...FAIR, reordering: true } });
    // What is proposed reaches replica 3, the votes do not; and it hears how far the others are before it can ask.
    let cut = true;
    let asked = 0;
    const route = w.route.bind(w);
    w.route = (from, to, message) => {
      if (cut && (from.id === 3 || (to === 3 && (message.kind === 'prepare' || message.kind === 'commit')))) return;
      if (message.kind === 'status' && from.id === 3) asked++;
      route(from, to, message);
    };
    const workload = new Workload(w, {
      operations: 200,
      writers: 1,
      readers: 0,
      thinkMs: 0,
      registers: 4,
      durable: 0.04,
    });
    expect(w.runUntil(() => workload.done, 60_000)).toBe(true);
    w.run(2500);
    cut = false;
    converge(w);
    // To three others, a few times: not for each of 200 batches.
    expect(asked).toBeLessThanOrEqual(24);
  });
});

describe('faulty replicas', () => {
  const byzantine = (seed: number, id: number, ...behaviours: Behaviour[]): World =>
    world({ seed, behaviours: new Map([[id, behaviours]]) });

  for (const [name, shift] of [
    ['the future', 3600],
    ['the past', -3600],
  ] as const) {
    it(`a primary that proposes times from ${name} is replaced`, () => {
      const badTime: Behaviour = {
        name: 'bad time',
        send: (message) => {
          if (message.kind !== 'pre-prepare') return [message];
          const { time, requests } = message.batch;
          return [{ ...message, batch: batchOf({ ...time, seconds: Math.max(0, time.seconds + shift) }, requests) }];
        },
      };
      const w = byzantine(31, 0, badTime);
      expect(answered(w, 'append first')).toBe('1');
      expect(w.primary).toBe(1);
      expect(w.hosts[1].replica!.describe().suspicions).toMatchObject([{ replica: 0 }]);
    });
  }

  it('a backup that lies to clients is outvoted', () => {
    const liar: Behaviour = {
      name: 'liar',
      reply: (reply) => [{ ...reply, result: Buffer.from('999'), resultDigest: undefined }],
    };
    const w = byzantine(8, 3, liar);
    finish(w, work(w, 300));
    expect(w.viewChanges).toBe(0);
  });
});

/** Every request is large. */
describe('large requests', () => {
  const limits = { inlineRequestBytes: 0 };

  it('are named by the primary, and none has to be fetched where nothing is wrong', () => {
    const w = world({ seed: 41, limits });
    finish(w, work(w, 600));
    expect(w.statistics.namingPrePrepares).toBeGreaterThan(100);
    expect(w.statistics.batchFetches).toBe(0);
    expect(w.viewChanges).toBe(0);
  });

  it('of a client that sends them to the primary only cost one fetch a backup, not one each', () => {
    const w = world({ seed: 42, limits, clients: 2 });
    expect(answered(w, 'append first')).toBe('1');
    const heal = w.network.cut([w.clientAddresses[0]], [1, 2, 3]);
    for (let i = 2; i <= 40; i++) expect(answered(w, `append ${i}`)).toBe(String(i));
    heal();
    expect(w.statistics.batchFetches).toBeLessThanOrEqual(3);
    expect(w.viewChanges).toBe(0);
    converge(w);
  });

  it('a backup that their client never reaches keeps up', () => {
    const w = world({ seed: 43, limits, clients: 1 });
    const heal = w.network.cut(w.clientAddresses, [2]);
    finish(w, work(w, 300));
    heal();
    expect(w.viewChanges).toBe(0);
  });

  it('that the primary names and nobody has: it is replaced', () => {
    const inventing: Behaviour = {
      name: 'naming what nobody has',
      send: (message) => {
        if (message.kind !== 'pre-prepare') return [message];
        const { time, requests } = message.batch;
        return [{ ...message, batch: batchOf(time, [...requests, { kind: 'name', digest: Buffer.alloc(32, 9) }]) }];
      },
    };
    const w = world({ seed: 44, limits, behaviours: new Map([[0, [inventing]]]) });
    expect(answered(w, 'append first')).toBe('1');
    expect(w.primary).toBe(1);
    finish(w, work(w, 200));
  });
});
