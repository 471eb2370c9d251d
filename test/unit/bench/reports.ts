/** Reports as benchmarks make them, of invented figures: for what draws them. */
import type { Profile } from '../../../bench/profile/profile.js';
import type { BenchReport, PhaseReport, TargetReport } from '../../../bench/report.js';

const base = (bench: string): BenchReport => ({
  bench,
  parameters: {
    ...{ runs: 3, operations: 100, copies: 2, filesPerCopy: 70, bytesPerCopy: 300_000, transactions: 200 },
    ...{ files: 100, bytes: 2 ** 30, callBytes: 131_072, caches: 'as they are, & <not> "dropped"' },
  },
  machine: { cpus: 2, model: 'a processor', memoryBytes: 2 ** 34, kernel: '6.1', node: '20.20.0' },
  targets: [],
  ratios: {},
});

const phase = (name: string, seconds: number, more: Partial<PhaseReport> = {}): PhaseReport => ({
  name,
  seconds,
  operations: 100,
  runs: [seconds * 0.8, seconds, seconds * 1.7],
  opsPerSecond: 100 / seconds,
  ...{ p50Us: 900, p99Us: 1900 },
  ...more,
});

const quantilesUs = (scale: number) =>
  [0.01, 0.25, 0.5, 0.9, 0.99].map((share, i) => [share, Math.round(scale * 2 ** i)] as const);

const TARGETS = ['byzfs', 'byzfs-f0', 'synced', 'local', 'bindfs', 'sshfs', 'gluster', 'another-one'];

const targets = (phases: (t: number) => PhaseReport[]): TargetReport[] =>
  TARGETS.map((name, t) => ({
    name,
    settings: {
      fsync: 'close: somewhere; fsync: on stable storage',
      ...(t > 3 ? { fileSystem: `fuse.${name} (rw)` } : {}),
    },
    phases: phases(t),
    totalSeconds: 1,
  }));

const parts = (scale: number) => ({
  ...{ kernel: 30 * scale, client: 200 * scale, network: 900 * scale, agreement: 120 * scale },
  ...{ execution: 310 * scale, hashing: 90 * scale, journal: 45.5 * scale },
});

const PROFILE: Profile = {
  orderedOperations: 1000,
  calls: 1500,
  requests: [
    ...['create', 'write, in the background', 'lookup', 'getattr', 'unlink', 'fsync', 'open', 'readdir'].map(
      (kind, i) => ({ kind, count: 1000, meanUs: 1695.5 * (i + 1), parts: parts(i + 1), messages: 31.7, bytes: 8111 }),
    ),
    {
      ...{ kind: 'getattr, from memory', count: 100_000, meanUs: 230, messages: 0, bytes: 0 },
      parts: { ...parts(0), kernel: 30, client: 200 },
    },
  ],
  operations: ['create', 'lookup'].map((kind) => ({
    ...{ kind, ordered: 500, readOnly: 250 },
    replicas: { ...parts(4), rest: 400 },
    primary: { ...parts(1.2), rest: 120 },
    backup: { ...parts(0.9), rest: 90 },
  })),
  processes: (['client', 'replicas', 'primary', 'backup'] as const).map((name, i) => ({
    ...{ name, cpuUs: 1795.5 * (i + 1), parts: { ...parts(i + 1), rest: 100 * (i + 1) } },
  })),
  traffic: { amongReplicas: { messages: 25.2, bytes: 6126 }, withClient: { messages: 6.5, bytes: 1985 } },
};

const MICRO = ['0/0', '4/0', '0/4', '0/0 read-only'];

export const REPORTS: readonly BenchReport[] = [
  {
    ...base('andrew'),
    targets: targets((t) =>
      ['mkdir', 'copy', 'stat', 'read', 'compile'].map((name, i) => phase(name, (t + 1) * 3 ** i * 1e-3)),
    ),
    ratios: { 'byzfs/local': { mkdir: 2, copy: 3, stat: 1, read: 1, compile: 1.5, total: 1.6 } },
  },
  {
    ...base('postmark'),
    // Nearly the same for all: so that their names are in each other's way.
    targets: targets((t) =>
      ['create', 'transactions', 'delete'].map((name) =>
        phase(name, 1 + t / 50, { quantilesUs: quantilesUs(900 + t) }),
      ),
    ),
  },
  {
    ...base('small'),
    targets: targets((t) => [phase('create', 0.1 * 2 ** t, { quantilesUs: quantilesUs(100 * 3 ** t) })]).map(
      (target, t) => (t < 2 ? { ...target, profile: PROFILE } : target),
    ),
  },
  {
    ...base('sequential'),
    targets: targets((t) => [
      phase('write', 1 + t, { bytes: 2 ** 30 }),
      phase('fsync', 0.1),
      phase('read', 0.2, { bytes: 2 ** 30 }),
    ]),
  },
  {
    ...base('micro'),
    targets: ['byzfs', 'byzfs-f0', 'floor', 'no-batching'].map((name, t) => ({
      name,
      totalSeconds: 1,
      ...(t === 0 ? { profile: PROFILE } : {}),
      phases: MICRO.flatMap((operation) =>
        [1, 4, 16, 64].map((calls) =>
          phase(`${operation}, ${calls} outstanding`, 1, {
            opsPerSecond: 1000 * calls + t,
            quantilesUs: quantilesUs(500 + t),
          }),
        ),
      ),
    })),
    ratios: {
      'no-batching/byzfs': { '0/0, 1 outstanding': 1.02, '0/0, 64 outstanding': 4.5 },
      'byzfs/byzfs-f0': { '0/0, 1 outstanding': 2 },
    },
  },
  {
    ...base('faults'),
    timelines: [
      {
        ...{ name: '0/0, 64 outstanding', operation: 'a null operation', outstanding: 64, binMs: 100 },
        bins: Array.from({ length: 400 }, (_, i) =>
          i > 150 && i < 165
            ? { operations: 0, p50Ms: null, maxMs: null }
            : { operations: 900 + (i % 50), p50Ms: 3 + (i % 3), maxMs: 9 + (i % 40) },
        ),
        events: [
          ...[2, 6, 15.1, 16, 22, 28, 31].map((s, i) => ({
            atMs: s * 1000,
            name: `event number ${i}`,
            longestGapMs: 100 * i,
          })),
          { atMs: 39_500, name: 'it rejoins with an empty one', longestGapMs: 12 },
        ],
      },
    ],
  },
  {
    ...base('scale'),
    curves: [
      {
        ...{ axis: 'files', xLabel: 'files', yLabel: 'latency, p50, µs' },
        series: ['create', 'write 4 KiB', 'lookup', 'unlink'].map((name, i) => ({
          name,
          points: [1e3, 1e4, 1e5, 1e6].map((x) => [x, 700 + i + x / 1e5] as const),
        })),
      },
      {
        ...{ axis: 'faults', xLabel: 'f', yLabel: 'throughput, op/s', skipped: 'stopped' },
        series: [{ name: '0/0', points: [0, 1, 2, 3].map((f) => [f, 9000 / (f + 1)] as const) }],
      },
      { axis: 'round-trip', xLabel: 'ms', yLabel: 'latency, p50, µs', series: [], skipped: 'not measured: no netem' },
    ],
  },
];
