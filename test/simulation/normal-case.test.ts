import { describe, expect, it } from 'vitest';
import type { ReplicaMessage, Reply } from '../../src/pbft/messages.js';
import { FAIR, STORMY, World, type WorldOptions } from './world.js';

/** `count` appends and as many reads from each client, a few at a time. */
async function workload(world: World, clients: number, count: number): Promise<void> {
  const one = async (client: number): Promise<void> => {
    for (let i = 0; i < count; i += 4) {
      const calls: Promise<string>[] = [];
      for (let j = i; j < Math.min(i + 4, count); j++) {
        calls.push(world.call(client, `append c${client}-${j}`));
        calls.push(world.call(client, 'length', true));
      }
      await Promise.all(calls);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => one(client)));
}

const world = (options: Partial<WorldOptions> & { seed: number }): World =>
  new World({ f: 1, clients: 3, weather: FAIR, ...options });

const roots = (w: World): string[] => w.hosts.map(({ state }) => Buffer.from(state.checkpoint()).toString('hex'));

describe('normal case', () => {
  for (const f of [0, 1, 2, 3]) {
    it(`orders the calls of three clients with f = ${f}`, async () => {
      const w = world({ seed: 10 + f, f });
      await w.until(workload(w, 3, 100));
      await w.run(3000);
      w.histories.check();
      expect(w.histories.completed).toBe(600);
      expect(new Set(roots(w)).size).toBe(1);
    });
  }

  for (let seed = 1; seed <= 12; seed++) {
    it(`survives a stormy network, seed ${seed}`, async () => {
      const w = world({ seed, weather: STORMY });
      await w.until(workload(w, 3, 80), 600_000);
      w.weather = FAIR;
      await w.run(3000);
      w.histories.check();
      expect(w.histories.completed).toBe(480);
      expect(new Set(roots(w)).size).toBe(1);
    });
  }

  it('makes checkpoints stable and drops the log below them', async () => {
    const w = world({ seed: 5 });
    await w.until(workload(w, 3, 400), 600_000);
    await w.run(3000);
    const described = w.hosts.map(({ replica }) => replica!.describe());
    expect(new Set(described.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    expect(described[0].stableCheckpoint).toBeGreaterThanOrEqual(128);
  });
});

describe('crashes and partitions', () => {
  for (let seed = 1; seed <= 10; seed++) {
    it(`a backup crashes and comes back behind the log, seed ${seed}`, async () => {
      const w = world({ seed });
      const work = workload(w, 3, 500);
      await w.run(w.random.between(5, 50));
      w.crash(2);
      await w.run(w.random.between(10, 2000));
      w.start(2);
      await w.until(work, 600_000);
      await w.run(4000);
      w.histories.check();
      expect(new Set(roots(w)).size).toBe(1);
      expect(w.hosts[2].replica!.describe().state).toBe('normal');
    });

    it(`all replicas are killed and restarted under load, seed ${seed}`, async () => {
      const w = world({ seed, weather: seed % 2 ? FAIR : STORMY });
      const work = workload(w, 3, 200);
      for (let round = 0; round < 4; round++) {
        await w.run(w.random.between(5, 100));
        for (let id = 0; id < 4; id++) w.crash(id);
        await w.run(20);
        for (let id = 0; id < 4; id++) w.start(id);
      }
      await w.until(work, 600_000);
      w.weather = FAIR;
      await w.run(4000);
      w.histories.check();
      expect(w.histories.completed).toBe(1200);
      expect(new Set(roots(w)).size).toBe(1);
    });
  }

  /** The primary has a whole window of proposals on record that no backup has seen. */
  const proposeUnseen = async (w: World): Promise<{ pending: Promise<string[]> }> => {
    await w.until(w.call(0, 'append first'));
    for (const backup of [1, 2, 3]) w.cut.add(`0-${backup}`);
    const calls: Promise<string>[] = [];
    for (let i = 0; i < 4; i++) {
      calls.push(w.call(0, `append unseen-${i}`));
      await w.run(10);
    }
    await w.run(250);
    const proposals = w.hosts[0].journal.records.filter(({ kind }) => kind === 'pre-prepared');
    expect(proposals.length).toBeGreaterThanOrEqual(5);
    return { pending: Promise.all(calls) };
  };

  it('proposals on record only at the primary are taken up after all were down for an hour', async () => {
    const w = world({ seed: 21, clients: 1 });
    const { pending } = await proposeUnseen(w);
    for (let id = 0; id < 4; id++) w.crash(id);
    w.cut.clear();
    await w.run(3_600_000);
    for (let id = 0; id < 4; id++) w.start(id);
    expect(await w.until(pending)).toEqual(['2', '3', '4', '5']);
    expect(await w.until(w.call(0, 'append last'))).toBe('6');
    w.histories.check();
  });

  it('and after the primary alone was down for an hour', async () => {
    const w = world({ seed: 22, clients: 1 });
    const { pending } = await proposeUnseen(w);
    w.crash(0);
    w.cut.clear();
    await w.run(3_600_000);
    w.start(0);
    expect(await w.until(pending)).toEqual(['2', '3', '4', '5']);
    w.histories.check();
  });

  it('a replica that was cut off for 2,000 batches catches up from the history of the others', async () => {
    const w = world({ seed: 3, clients: 1 });
    w.isolate(3, true);
    const work = (async () => {
      for (let i = 0; i < 2000; i++) await w.call(0, `append ${i}`);
    })();
    await w.until(work, 600_000);
    w.isolate(3, false);
    await w.run(5000);
    w.histories.check();
    expect(new Set(roots(w)).size).toBe(1);
  });
});

describe('faulty replicas', () => {
  for (const [name, shift] of [
    ['the future', 3600],
    ['the past', -3600],
  ] as const) {
    it(`a primary that proposes times from ${name} gets nothing prepared`, async () => {
      const w = world({
        seed: 31,
        clients: 1,
        tamper: (from, _to, message) => {
          const m = message as ReplicaMessage;
          if (from !== 0 || m.kind !== 'pre-prepare' || m.sequence < 3) return [m];
          const time = { ...m.batch.time, seconds: m.batch.time.seconds + shift };
          return [{ ...m, batch: { ...m.batch, time } }];
        },
      });
      await w.until(w.call(0, 'append first'));
      const stuck = w.call(0, 'append second');
      await w.run(5000);
      await expect(w.until(stuck, 5000)).rejects.toThrow('no progress');
      expect(w.hosts[1].replica!.describe().suspicions).toMatchObject([{ replica: 0 }]);
    });
  }

  it('a backup that lies to clients is outvoted', async () => {
    const w = world({
      seed: 8,
      tamper: (from, to, message) => {
        if (from !== 3 || to !== 'client') return [message];
        return [{ ...(message as Reply), result: Buffer.from('999'), resultDigest: undefined }];
      },
    });
    await w.until(workload(w, 3, 60), 600_000);
    w.histories.check();
  });

  it('a backup that votes for other digests and floods the log with votes changes nothing', async () => {
    const w = world({
      seed: 9,
      tamper: (from, _to, message) => {
        const m = message as ReplicaMessage;
        if (from !== 2 || (m.kind !== 'prepare' && m.kind !== 'commit')) return [m];
        const far = { ...m, sequence: m.sequence + 300 };
        return [{ ...m, digest: new Uint8Array(32) }, far, { ...m, view: 7 }];
      },
    });
    await w.until(workload(w, 3, 60), 600_000);
    await w.run(3000);
    w.histories.check();
  });

  it('an equivocating primary cannot make replicas execute different batches', async () => {
    const w = world({
      seed: 4,
      clients: 2,
      tamper: (from, to, message) => {
        const m = message as ReplicaMessage;
        if (from !== 0 || to !== 1 || m.kind !== 'pre-prepare') return [m];
        return [{ ...m, batch: { ...m.batch, requests: [], digest: new Uint8Array(32).fill(7) } }];
      },
    });
    await w.until(workload(w, 2, 60), 600_000);
    await w.run(3000);
    w.histories.check();
    expect(w.hosts[1].state.list.length).toBe(w.hosts[2].state.list.length);
  });
});
