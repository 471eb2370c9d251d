import { describe, expect, it } from 'vitest';
import type { ReplicaDescription } from '../../src/pbft/replica.js';
import type { Behaviour } from './byzantine/behaviour.js';
import { lyingSource } from './byzantine/sources.js';
import { Workload } from './workload.js';
import { World, type WorldOptions } from './world.js';

/** Batches are remembered for one checkpoint interval only: who misses more needs the state. */
const forgetful = (options: Partial<WorldOptions> = {}): World =>
  new World({
    ...{ seed: 7, f: 1, clients: 2, limits: { checkpointInterval: 16, logSize: 64, historyBatches: 16 } },
    ...options,
  });

const LAST = 3;

const describeOf = (w: World, id: number): ReplicaDescription => w.hosts[id].replica!.describe();

/** Cuts the last replica off while so many operations are executed; returns what brings it back. */
function leaveBehind(w: World, operations = 400): () => void {
  const heal = w.network.separate([LAST], [...w.hosts.map(({ address }) => address), ...w.clientAddresses]);
  const workload = new Workload(w, { operations, writers: 2, readers: 0, thinkMs: 0, registers: 4, durable: 0.1 });
  expect(w.runUntil(() => workload.done, 600_000)).toBe(true);
  return heal;
}

function converge(w: World): void {
  expect(w.runUntil(() => w.divergence() === undefined, 60_000)).toBe(true);
  w.checkHistories();
}

function answered(w: World, operation: string): string {
  const call = w.call(0, operation);
  w.runUntil(() => call.result !== undefined, 20_000);
  return call.result ?? 'no answer';
}

describe('state transfer', () => {
  it('brings a replica to the state when nobody remembers the batches it missed', () => {
    const w = forgetful();
    leaveBehind(w)();
    converge(w);
    expect(w.statistics.stateTransfers).toBe(1);
    expect(describeOf(w, LAST)).toMatchObject({ state: 'normal', transfer: null, view: 0 });
    expect(w.viewChanges).toBe(0);
  });

  it('shows how far it is', () => {
    const w = forgetful();
    const heal = leaveBehind(w);
    w.network.slow(LAST, 100);
    heal();
    const states = new Set<string>();
    const done = (): boolean => {
      const { state, transfer } = describeOf(w, LAST);
      states.add(state);
      if (transfer !== null) expect(transfer.sequence).toBeGreaterThan(100);
      return w.divergence() === undefined;
    };
    expect(w.runUntil(done, 60_000)).toBe(true);
    expect(states).toContain('transferring');
  });

  it('goes on where others write meanwhile, and answers clients again', () => {
    const w = forgetful();
    const heal = leaveBehind(w);
    heal();
    const workload = new Workload(w, {
      operations: 600,
      writers: 2,
      readers: 1,
      thinkMs: 2,
      registers: 4,
      durable: 0.1,
    });
    expect(w.runUntil(() => workload.done, 60_000)).toBe(true);
    converge(w);
    expect(w.statistics.stateTransfers).toBeGreaterThan(0);
    // With one of the others down, nothing is answered without the one that was behind.
    w.hosts[1].kill();
    expect(answered(w, 'append last')).toMatch(/^\d+$/);
  });

  it('needs no source to be trusted', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const w = forgetful({ seed, behaviours: new Map([[1, [lyingSource]]]) });
      leaveBehind(w, 150)();
      converge(w);
      expect(w.statistics.stateTransfers).toBeGreaterThan(0);
    }
  });

  it('blames who sends a wrong part', () => {
    const wrong: Behaviour = {
      name: 'wrong state',
      send: (message) =>
        message.kind === 'state-data' ? [{ ...message, answer: Buffer.from('something else') }] : [message],
    };
    const w = forgetful({ behaviours: new Map([[1, [wrong]]]) });
    leaveBehind(w)();
    converge(w);
    expect(describeOf(w, LAST).suspicions).toContainEqual({ replica: 1, why: 'state that is not the certified one' });
  });

  it('turns to a newer checkpoint when the old one is gone', () => {
    const w = forgetful();
    const route = w.route.bind(w);
    let released = false;
    w.route = (from, to, message) => {
      const hidden = message.kind === 'state-data' && !released;
      route(from, to, hidden ? { kind: 'state-data', number: message.number } : message);
    };
    leaveBehind(w)();
    w.runUntil(() => describeOf(w, LAST).transfer !== null, 10_000);
    const first = describeOf(w, LAST).transfer!.sequence;
    const workload = new Workload(w, {
      operations: 300,
      writers: 2,
      readers: 0,
      thinkMs: 0,
      registers: 4,
      durable: 0.1,
    });
    expect(w.runUntil(() => workload.done, 60_000)).toBe(true);
    released = true;
    expect(w.runUntil(() => w.hosts[LAST].state.installed > first, 60_000)).toBe(true);
    expect(w.statistics.stateTransfers).toBe(1);
  });

  it('survives the death of the replica at any moment of it', () => {
    for (let after = 0; after < 60; after += 3) {
      const w = forgetful({ seed: 11 });
      const heal = leaveBehind(w, 150);
      w.network.slow(LAST, 4);
      heal();
      w.runUntil(() => describeOf(w, LAST).transfer !== null, 10_000);
      w.run(after);
      w.hosts[LAST].kill();
      w.run(20);
      w.hosts[LAST].start();
      converge(w);
    }
  });

  it('says of nothing that it brought what batch was executed there', () => {
    // Replica 3 prepares a batch that is lost with its view, and takes the state of a history that has another there.
    const w = forgetful({ seed: 13 });
    expect(answered(w, 'append first')).toBe('1');
    leaveBehind(w)();
    converge(w);
    const { installed } = w.hosts[LAST].state;
    expect(installed).toBeGreaterThan(0);
    const attested: number[] = [];
    const transmit = w.route.bind(w);
    w.route = (from, to, message) => {
      if (from.id === LAST && message.kind === 'committed') attested.push(message.sequence);
      transmit(from, to, message);
    };
    w.hosts[LAST].deliver(
      {
        ...{ kind: 'status', view: 0, active: true, dissatisfied: false, viewChanges: 0 },
        ...{ lastStable: 0, lastExecuted: 0, lastFlushed: 0, recovering: false, awaited: 0, missing: [] },
      },
      1,
    );
    w.run(50);
    expect(attested.filter((sequence) => sequence <= installed)).toEqual([]);
  });

  it('of replicas that all lack it but one quorum, two at once, with f = 2', () => {
    const w = forgetful({ f: 2, behaviours: new Map([[1, [lyingSource]]]) });
    const all = [...w.hosts.map(({ address }) => address), ...w.clientAddresses];
    const heals = [5, 6].map((id) => w.network.separate([id], all));
    const workload = new Workload(w, {
      operations: 300,
      writers: 2,
      readers: 0,
      thinkMs: 0,
      registers: 4,
      durable: 0.1,
    });
    expect(w.runUntil(() => workload.done, 600_000)).toBe(true);
    for (const heal of heals) heal();
    converge(w);
    expect(w.statistics.stateTransfers).toBe(2);
  });
});
