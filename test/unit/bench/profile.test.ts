import { describe, expect, it } from 'vitest';
import type { ClusterFigures } from '../../../bench/profile/collect.js';
import { sumOf } from '../../../bench/profile/collect.js';
import { profileByLabel, profileOf } from '../../../bench/profile/profile.js';
import { profileTables } from '../../../bench/profile/tables.js';
import { CALLS, LINKS, ORDERING, type ReplicaFigures } from '../../../src/profiling/figures.js';
import { noTime } from '../../../src/profiling/stopwatch.js';

/** Of 100 creates, that are ordered, and 200 lookups, that are not. */
const replica = (factor: number): ReplicaFigures => ({
  view: 5,
  // Half of what the clock shows: the machine did other things too.
  cpuMs: 100 * factor,
  activeMs: 200 * factor,
  times: {
    create: { ...noTime(), execution: 10 * factor, hashing: 5 * factor },
    lookup: { ...noTime(), agreement: 2 * factor, execution: 4 * factor },
    [ORDERING]: { ...noTime(), agreement: 20 * factor, hashing: 10 * factor, journal: 15 * factor },
    [LINKS]: { ...noTime(), network: 80 * factor },
  },
  sent: { messages: 600, bytes: 60_000 },
  received: { messages: 1000, bytes: 60_000 },
  executed: { create: 100 },
  queried: { lookup: 200 },
  flushes: { count: 10, ms: 20 },
});

const FIGURES: ClusterFigures = {
  client: {
    ...{ cpuMs: 60, activeMs: 60 },
    times: { '': { ...noTime(), kernel: 6, client: 9 }, [CALLS]: { ...noTime(), client: 15 } },
    sent: { messages: 1200, bytes: 12_000 },
    received: { messages: 1200, bytes: 24_000 },
    calls: { create: { count: 100, ordered: 100, ms: 500 }, lookup: { count: 200, ordered: 0, ms: 200 } },
    requests: {
      create: { count: 100, wallMs: 520, kernelMs: 5, waitMs: 500, calls: { create: 100 } },
      lookup: { count: 190, wallMs: 195, kernelMs: 3, waitMs: 190, calls: { lookup: 190 } },
      'lookup, from memory': { count: 300, wallMs: 6, kernelMs: 3, waitMs: 0, calls: {} },
    },
    background: { lookup: { count: 10, ordered: 0, ms: 10 } },
  },
  replicas: [1, 2, 1, 1].map(replica),
};

const sum = (parts: object): number => Object.values(parts).reduce((all, value) => all + value, 0);

describe('the profile of a cluster', () => {
  const profile = profileOf(FIGURES, false);
  const request = (kind: string) => profile.requests.find((each) => each.kind === kind)!;

  it('has a line for each kind of request, the most expensive first', () => {
    expect(profile.requests.map(({ kind, count }) => [kind, count])).toEqual([
      ['create', 100],
      ['lookup', 190],
      ['lookup, in the background', 10],
      ['lookup, from memory', 300],
    ]);
  });

  it('says of one request what its wall time went to, with the work of one replica, the mean', () => {
    // By the clock, of the replicas' mean: 1.25 of what the first one has.
    expect(request('create')).toMatchObject({
      meanUs: 5200,
      parts: {
        kernel: 50,
        client: 150 + 50,
        agreement: 250,
        execution: 125,
        hashing: 62.5 + 125,
        journal: 187.5,
        network: 5000 - 50 - 250 - 125 - 187.5 - 187.5,
      },
    });
    expect(request('lookup').parts).toMatchObject({ agreement: 12.5, execution: 25, hashing: 0, journal: 0 });
    expect(request('lookup, from memory')).toMatchObject({
      ...{ meanUs: 20, messages: 0, bytes: 0 },
      parts: { ...noTime(), kernel: 10, client: 10 },
    });
    for (const { parts, meanUs } of profile.requests) {
      expect(sum(parts)).toBeCloseTo(meanUs, 0);
      for (const part of Object.values(parts)) expect(part).toBeGreaterThanOrEqual(0);
    }
  });

  it('has wait for the disk whoever does: an fsync, and where every vote is flushed, everybody', () => {
    expect(profileOf(FIGURES, true).requests[0].parts.journal).toBe(187.5 + 2000);
  });

  it('counts messages among replicas for what is ordered, and those with the client for every call', () => {
    expect(profile.traffic).toEqual({
      amongReplicas: { messages: (4 * 600 - 1200) / 100, bytes: (4 * 60_000 - 24_000) / 100 },
      withClient: { messages: 8, bytes: 120 },
    });
    expect(request('create')).toMatchObject({ messages: 20, bytes: 2280 });
    expect(request('lookup')).toMatchObject({ messages: 8, bytes: 120 });
  });

  it('shares out the CPU of each replica by the clock, all of it, to what was executed', () => {
    const create = profile.operations.find(({ kind }) => kind === 'create')!;
    const lookup = profile.operations.find(({ kind }) => kind === 'lookup')!;
    expect([create.ordered, create.readOnly, lookup.ordered, lookup.readOnly]).toEqual([100, 0, 0, 200]);
    // View 5 has replica 1 as its primary, which does twice as much.
    expect(sum(create.primary)).toBeCloseTo(2 * sum(create.backup!), 0);
    expect(create.backup).toMatchObject({ agreement: 100, execution: 50, hashing: 75, journal: 75 });
    // Of 1600 messages, 400 were of lookups.
    expect(create.backup!.network).toBe(300);
    expect(lookup.backup!.network).toBe(50);
    expect(100 * sum(create.replicas) + 200 * sum(lookup.replicas)).toBeCloseTo(500_000, -2);
  });

  it('has the CPU of each process, which is all that it took', () => {
    const us = Object.fromEntries(profile.processes.map(({ name, cpuUs }) => [name, cpuUs]));
    expect(us).toEqual({ client: 600, replicas: 5000, primary: 2000, backup: 1000 });
    expect(profile.processes[0].parts).toMatchObject({ kernel: 60, client: 240, rest: 300 });
  });

  it('shortens work that is said to take longer than was waited: calls that are under way together', () => {
    const { client, replicas } = FIGURES;
    const quick = { count: 100, wallMs: 12, kernelMs: 1, waitMs: 10, calls: { create: 500 } };
    const [only] = profileOf({ client: { ...client, requests: { quick }, background: {} }, replicas }, false).requests;
    expect(sum(only.parts)).toBeCloseTo(120, 0);
    expect(only.parts.network).toBe(0);
  });

  it('needs no mount, no backups, and nothing to be ordered', () => {
    const { requests: _, background: __, ...client } = FIGURES.client;
    const calls = { null: { count: 10, ordered: 0, ms: 20 } };
    const alone = { ...replica(1), executed: {}, queried: { null: 10 } };
    const profile = profileByLabel([['0/0 read-only', { client: { ...client, calls }, replicas: [alone] }]], false);
    expect(profile.requests).toMatchObject([{ kind: '0/0 read-only', count: 10, meanUs: 2000 }]);
    expect(profile.operations).toMatchObject([{ kind: '0/0 read-only', ordered: 0, readOnly: 10 }]);
    expect(profile.operations[0]).not.toHaveProperty('backup');
    expect(profile.processes.map(({ name }) => name)).toEqual(['client', 'replicas', 'primary']);
    expect(JSON.stringify(profile)).not.toContain('null,');
  });

  it('is the same of runs that are added up', () => {
    const twice = profileOf(sumOf(FIGURES, FIGURES), false);
    expect(twice.requests.map(({ parts }) => parts)).toEqual(profile.requests.map(({ parts }) => parts));
    expect(twice.operations.map(({ replicas }) => replicas)).toEqual(
      profile.operations.map(({ replicas }) => replicas),
    );
    expect(twice.orderedOperations).toBe(200);
  });

  it('is told in tables whose captions tell wall time from CPU time', () => {
    const [wall, operations, processes] = profileTables(profile, true);
    for (const { header, rows } of [wall, operations, processes])
      for (const row of rows) expect(row).toHaveLength(header.length);
    expect(wall.caption).toMatch(/^Wall time of one request at the mount/);
    expect(wall.rows[0].slice(0, 3)).toEqual(['create', '100', '5200']);
    expect(operations.caption).toMatch(/^CPU time at replicas .*, added up over the replicas.*divided by the ordered/s);
    expect(operations.rows[0].slice(0, 3)).toEqual(['lookup', '0', '200']);
    expect(processes.rows.map(([name]) => name)).toEqual([
      ...['mount', 'all replicas together', 'the primary', 'a backup (mean)'],
    ]);
    expect(processes.caption).toContain('Sent: 12 messages, 2160 bytes among replicas for one ordered operation');
  });
});
