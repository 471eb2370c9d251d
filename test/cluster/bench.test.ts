import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BenchReport } from '../../bench/report.js';
import { PARTS } from '../../src/profiling/stopwatch.js';
import { CLI, must } from './harness.js';

const TIMEOUT_MS = 300_000;

const bench = async (...args: string[]): Promise<BenchReport> =>
  JSON.parse(await must(process.execPath, [CLI, 'bench', ...args, '--json', '-'], { timeoutMs: TIMEOUT_MS }));

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-bench-test-'));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const sum = (parts: object): number => Object.values(parts).reduce((all, part) => all + part, 0);

describe('byzfs bench micro', { timeout: TIMEOUT_MS }, () => {
  it('says where the time goes of each operation, with so many outstanding', async () => {
    const args = ['--only', 'byzfs', '--outstanding', '1', '--operations', '16', '--runs', '1', '--profile'];
    const { targets } = await bench('micro', ...args);
    const [{ profile, phases }] = targets;
    expect(profile!.requests.map(({ kind }) => kind)).toEqual(phases.map(({ name }) => name));
    for (const { kind, count, parts, meanUs } of profile!.requests) {
      expect([kind, count]).toEqual([kind, kind.startsWith('128') ? 2 : 16]);
      expect(Math.abs(sum(parts) - meanUs), kind).toBeLessThan(1);
      expect(parts.client, kind).toBeGreaterThan(0);
      expect(parts.kernel).toBe(0);
    }
    expect(profile!.operations.map(({ ordered, readOnly }) => [ordered, readOnly])).toEqual([
      ...[16, 16, 16, 2].map((ordered) => [ordered, 0]),
      ...[16, 16, 16].map((readOnly) => [0, readOnly]),
    ]);
  });

  it('starts clusters with and without an optimization, measures both, and takes them down', async () => {
    const args = ['--only', 'no-separate-requests', '--outstanding', '1', '--operations', '16', '--runs', '2'];
    const report = await bench('micro', ...args);
    expect(report.targets.map(({ name, phases }) => [name, phases.map((phase) => phase.name)])).toEqual([
      ['no-separate-requests', ['4/0, 1 outstanding', '128/0, 1 outstanding']],
    ]);
    expect(Object.keys(report.ratios)).toEqual(['no-separate-requests/byzfs']);
    expect(report.ratios['no-separate-requests/byzfs']['4/0, 1 outstanding']).toBeGreaterThan(0);
    const [{ phases }] = report.targets;
    expect(phases[0].operations).toBe(16);
    expect(phases[0].runs).toHaveLength(2);
    expect(phases[0].p50Us).toBeGreaterThan(0);
  });
});

describe('byzfs bench on mounts', { timeout: TIMEOUT_MS }, () => {
  const names = ({ targets }: BenchReport) => targets.map(({ name }) => name);
  const phases = ({ targets }: BenchReport) => targets[0].phases.map(({ name }) => name);

  it('postmark: replicated, beside a directory that is given, and on a page', async () => {
    const mix = ['--files', '20', '--transactions', '30', '--subdirectories', '3', '--no-buffering'];
    const to = ['--targets', 'byzfs', '--target', `here=${directory}`, '--report', path.join(directory, 'report')];
    const report = await bench('postmark', ...mix, ...to, '--runs', '1');
    expect(names(report)).toEqual(['byzfs', 'here']);
    expect(phases(report)).toEqual(['create', 'transactions', 'delete']);
    expect(report.parameters).toMatchObject({ files: 20, transactions: 30, buffered: false, seed: 42 });
    expect(report.targets[0].settings).toMatchObject({ replicas: 4, durability: 'buffered', cacheProfile: 'session' });
    expect(report.ratios['byzfs/here'].transactions).toBeGreaterThan(0);
    expect(fs.readFileSync(path.join(directory, 'report/index.html'), 'utf8')).toContain('<section id="postmark">');
    expect(fs.readdirSync(directory)).toEqual(['report']);
  });

  it('small: one replica, and every vote flushed', async () => {
    const report = await bench('small', '--files', '10', '--runs', '1', '--targets', 'byzfs-f0,synced');
    expect(names(report)).toEqual(['byzfs-f0', 'synced']);
    expect(phases(report)).toEqual(['create', 'create+fsync', 'read', 'remove']);
    expect(report.targets.map(({ settings }) => [settings?.replicas, settings?.durability])).toEqual([
      [1, 'buffered'],
      [4, 'synced'],
    ]);
  });

  it('small: says where the time of each kind of operation goes, by request, operation and process', async () => {
    const args = ['--files', '20', '--runs', '1', '--targets', 'byzfs,byzfs-f0,local', '--profile'];
    const { targets } = await bench('small', ...args);
    expect(targets.map(({ profile }) => profile !== undefined)).toEqual([true, true, false]);
    for (const { settings, profile } of targets.slice(0, 2)) {
      const { requests, operations, processes, orderedOperations, calls, traffic } = profile!;
      const counts = Object.fromEntries(requests.map(({ kind, count }) => [kind, count]));
      // 20 files and 2 that are fsynced; their writes are answered from memory, and sent by flush or fsync.
      expect(counts).toMatchObject({ create: 22, unlink: 20, open: 20, 'write, from memory': 22, fsync: 2, flush: 20 });
      for (const { kind, count, meanUs, parts, messages, bytes } of requests) {
        expect(Object.keys(parts)).toEqual([...PARTS]);
        for (const part of Object.values(parts)) expect(part, kind).toBeGreaterThanOrEqual(0);
        expect(Math.abs(sum(parts) - meanUs), kind).toBeLessThan(1);
        expect(count).toBeGreaterThan(0);
        const fromMemory = kind.endsWith('from memory');
        expect(messages > 0 && bytes > 0, kind).toBe(!fromMemory);
        expect(parts.kernel > 0, kind).toBe(!kind.endsWith('in the background'));
      }
      const created = requests.find(({ kind }) => kind === 'create')!;
      for (const part of Object.values(created.parts)) expect(part).toBeGreaterThan(0);
      const executed = Object.fromEntries(operations.map(({ kind, ordered }) => [kind, ordered]));
      expect(executed).toMatchObject({ create: 22, write: 22, unlink: 20, fsync: 2 });
      expect(orderedOperations).toBe(Object.values(executed).reduce((all, count) => all + count));
      expect(calls).toBeGreaterThanOrEqual(orderedOperations);
      const replicated = settings!.replicas! > 1;
      for (const { kind, replicas, primary, backup } of operations) {
        for (const cpu of Object.values(replicas)) expect(cpu, kind).toBeGreaterThanOrEqual(0);
        expect(replicas.execution, kind).toBeGreaterThan(0);
        const parts = sum(primary) + 3 * (backup === undefined ? 0 : sum(backup));
        expect(Math.abs(sum(replicas) - parts), kind).toBeLessThan(3);
      }
      expect(processes.map(({ name }) => name)).toEqual([
        ...['client', 'replicas', 'primary', ...(replicated ? ['backup'] : [])],
      ]);
      for (const { cpuUs, parts } of processes) expect(Math.abs(sum(parts) - cpuUs)).toBeLessThan(1);
      const replicas = processes.find(({ name }) => name === 'replicas')!;
      for (const part of ['network', 'agreement', 'execution', 'hashing', 'journal', 'rest'] as const)
        expect(replicas.parts[part], part).toBeGreaterThan(0);
      expect(traffic.amongReplicas.messages > 0).toBe(replicated);
      expect(traffic.withClient.messages).toBeGreaterThanOrEqual(2);
    }
  });

  it('sequential: replicated, beside local disk', async () => {
    const report = await bench('sequential', '--size', '2', '--runs', '1', '--targets', 'byzfs,local');
    expect(names(report)).toEqual(['byzfs', 'local']);
    expect(report.targets[0].phases[0]).toMatchObject({ name: 'write', operations: 16, bytes: 2 ** 21 });
  });
});

describe('byzfs bench faults', { timeout: TIMEOUT_MS }, () => {
  it('goes on, with and without a mount, while the primary dies and a replica lies', async () => {
    const report = await bench('faults', '--scenes', 'primary,liar', '--pause', '1', '--outstanding', '8');
    expect(report.timelines!.map(({ name }) => name)).toEqual(['0/0, 8 outstanding', 'a mount, 4 at a time']);
    for (const { bins, events } of report.timelines!) {
      expect(events.map(({ name }) => name)).toEqual([
        ...['the primary is killed', 'it is started again', 'a replica lies', 'it is honest again'],
      ]);
      // A view change takes its time, and there is an answer after it.
      expect(events[0].longestGapMs).toBeGreaterThan(0);
      const [killed, , lies] = events.map(({ atMs }) => Math.floor(atMs / 100));
      const sum = (from: number, to: number) =>
        bins.slice(from, to).reduce((all, { operations }) => all + operations, 0);
      expect(sum(0, killed)).toBeGreaterThan(0);
      expect(sum(killed + 1, lies)).toBeGreaterThan(0);
      expect(sum(lies + 1, bins.length)).toBeGreaterThan(0);
    }
  });
});

describe('byzfs bench scale', { timeout: TIMEOUT_MS }, () => {
  it('measures each axis it can, and says of the others why not', async () => {
    const upTo = ['files=1000', 'size=1', 'faults=1', 'clients=2', 'round-trip=0'].flatMap((each) => ['--up-to', each]);
    const report = await bench('scale', '--operations', '10', ...upTo);
    const xs = (axis: string) => report.curves!.find((curve) => curve.axis === axis)!.series[0]?.points.map(([x]) => x);
    expect(xs('files')).toEqual([1000]);
    expect(xs('size')).toEqual([1]);
    const memory = report.curves!.find(({ axis, yLabel }) => axis === 'files' && yLabel.startsWith('resident'))!;
    expect(memory.series[0].points[0][1]).toBeGreaterThan(20);
    expect(xs('faults')).toEqual([0, 1]);
    expect(xs('clients')).toEqual([1, 2]);
    const roundTrip = report.curves!.find((curve) => curve.axis === 'round-trip')!;
    if (roundTrip.skipped === undefined) expect(xs('round-trip')).toEqual([0]);
    else expect(roundTrip.skipped).toMatch(/^not measured: (root is needed|ip is missing|tc is missing|.*netem)/);
  });
});
