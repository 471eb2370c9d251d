/** Attacks on a running service: none of them takes it down, or reaches who keeps to what it may. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { connect as connectTo } from 'node:net';
import path from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type ReplicaClient } from '../../src/client/connect.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import type { Cluster } from '../../src/cluster/types.js';
import { encodeOperation, type Operation } from '../../src/fileservice/operations.js';
import { decodeResult, type Results, succeeded } from '../../src/fileservice/results.js';
import { type Attributes, ROOT_HANDLE } from '../../src/fileservice/types.js';
import type { NetCounters } from '../../src/net/counters.js';
import { closeAll, startProxy } from '../unit/net/harness.js';
import { CLI, run, TestCluster, until } from './harness.js';

const ATTACKERS = path.join(import.meta.dirname, 'hostile', 'attackers.mjs');
const NO_DESCRIPTORS = path.join(import.meta.dirname, 'hostile', 'no-descriptors.mjs');
const ROOT = { uid: 0, gid: 0, groups: [] };
const IDS = [0, 1, 2, 3];
/** Of a replica: enough for what it needs, and for few clients. */
const DESCRIPTORS = 300;
/** Calls a second that a client may make, and requests that it may send again. */
const RATE = 20;
const REPEATED = 1000;
/** What one attack met. */
type Met = Record<string, number>;
const log = pino({ level: 'silent' });

async function called<O extends Operation>(client: ReplicaClient, operation: O): Promise<Results[O['op']]> {
  const result = decodeResult(operation.op as O['op'], await client.call(encodeOperation(ROOT, operation)));
  if (!succeeded(result)) throw new Error(`${operation.op}: errno ${result.errno}`);
  return result as Results[O['op']];
}

const NAME = 'a-name-that-nobody-reads';
const CONTENT = 'content that nobody reads. ';

/** Writes files, one after the other, and reads each again, until it is stopped. */
class Workload {
  files = 0;
  private stopped = false;
  private ended: Promise<void> = Promise.resolve();

  start(client: ReplicaClient): void {
    this.ended = this.work(client);
    // It is heard of when it is stopped.
    this.ended.catch(() => undefined);
  }

  private async work(client: ReplicaClient): Promise<void> {
    while (!this.stopped) {
      const data = Buffer.alloc(1 + ((this.files * 7919) % 60_000), `${CONTENT}${this.files}`);
      const node = await createFile(client, `${NAME}-${this.files}`);
      await called(client, { op: 'write', node, offset: 0, append: false, killPrivileges: false, data });
      const read = await called(client, { op: 'read', node, offset: 0, length: data.length });
      if (!data.equals(read.data)) throw new Error(`file ${this.files} is not as it was written`);
      this.files++;
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.ended;
  }
}

async function createFile(client: ReplicaClient, name: string): Promise<Attributes> {
  const how = { mode: 0o600, exclusive: true, truncate: false, access: 6 };
  return (await called(client, { op: 'create', parent: ROOT_HANDLE, name: Buffer.from(name), ...how })).attributes;
}

/** The cluster as it is seen through proxies that keep what passes. */
async function recorded(cluster: Cluster, seen: Buffer[]): Promise<Cluster> {
  const replicas: Cluster['replicas'] = [];
  for (const replica of cluster.replicas) {
    const proxy = await startProxy(replica.port);
    const keep = (chunk: Buffer): Buffer => {
      seen.push(Buffer.from(chunk));
      return chunk;
    };
    proxy.toAcceptor = keep;
    proxy.toDialer = keep;
    replicas.push({ ...replica, port: proxy.port });
  }
  return { ...cluster, replicas };
}

const limited = (descriptors: number, args: string[]): [string, string[]] => [
  'bash',
  ['-c', `ulimit -n ${descriptors}; exec "$@"`, 'bash', process.execPath, ...args],
];

describe('a service under attack', { timeout: 240_000 }, () => {
  const cluster = new TestCluster();
  const workload = new Workload();
  const seen: Buffer[] = [];
  const replicas: ChildProcess[] = [];
  let client: ReplicaClient;
  let admin: ReplicaClient;

  beforeAll(async () => {
    await cluster.init(
      '--encryption',
      'on',
      ...['mount', 'nonsense', 'deaf', 'many'].flatMap((name) => ['--client', name]),
    );
    for (const id of IDS) {
      const [command, args] = limited(DESCRIPTORS, [
        CLI,
        'replica',
        '--cluster',
        cluster.directory,
        '--id',
        String(id),
      ]);
      replicas.push(cluster.startReplica(id, args, command));
    }
    await cluster.ready();
    const { code, stderr } = await cluster.byzfs('client', 'add', cluster.directory, 'fast', '--rate', `${RATE}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const description = loadCluster(cluster.directory);
    const as = (name: string) => loadClientIdentity(cluster.directory, description, name);
    client = await connect({
      cluster: await recorded(description, seen),
      identity: as('mount'),
      log,
      deadlineMs: 120_000,
    });
    admin = await connect({ cluster: description, identity: as('admin'), log, deadlineMs: 120_000 });
    workload.start(client);
  }, 120_000);

  afterAll(async () => {
    await Promise.all([client?.close(), admin?.close()]);
    await closeAll();
    await cluster.destroy();
  }, 60_000);

  interface Report {
    net: NetCounters;
    memoryBytes: number;
  }
  const reports = async (): Promise<Report[]> => {
    const all = await Promise.all(IDS.map((id) => admin.inspect(id, 60_000)));
    expect(all).not.toContain(null);
    return all as Report[];
  };
  /** Of a group of the counters, added up over the replicas. */
  const counted = async (group: 'refusedConnections' | 'closedLinks' | 'droppedMessages', reason: string) =>
    (await reports()).reduce((sum, { net }) => sum + (net[group][reason] ?? 0), 0);

  /** Has these attacks made until they have met what they are to meet, while the workload goes on. */
  async function attacked(
    hasMet: (met: Record<string, Met>) => Promise<boolean>,
    ...attacks: string[]
  ): Promise<Record<string, Met>> {
    const before = workload.files;
    const args = ['-n', '10', process.execPath, ATTACKERS, cluster.directory, '0', ...attacks];
    const attackers = spawn('nice', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let told = '{}\n';
    attackers.stdout.on('data', (chunk) => (told += chunk));
    const ended = once(attackers.stdout, 'end');
    const met = () => JSON.parse(told.split('\n').at(-2)!);
    try {
      const end = Date.now() + 150_000;
      while (!(await hasMet(met())) || workload.files < before + 3) {
        if (Date.now() > end) throw new Error(`${attacks.join(' and ')} did not meet what they were to`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      attackers.stdin.end();
      await ended;
      expect(replicas.map(({ exitCode }) => exitCode)).toEqual([null, null, null, null]);
      return met();
    } finally {
      attackers.kill('SIGKILL');
    }
  }

  it('by bytes of no meaning, from strangers and from a client', async () => {
    const { noise, nonsense } = await attacked(
      async () =>
        (await counted('refusedConnections', 'malformed')) > 50 &&
        (await counted('refusedConnections', 'version')) > 50 &&
        (await counted('droppedMessages', 'malformed')) > 0 &&
        (await counted('closedLinks', 'bad-mac')) + (await counted('closedLinks', 'oversized-frame')) > 0,
      ...['noise', 'nonsense'],
    );
    expect(noise.closedByReplica).toBeGreaterThan(50);
    expect(nonsense.replies).toBe(0);
  });

  it('by thousands of connections, and by handshakes that never end', async () => {
    const most = [0, 0, 0, 0];
    const hasMet = async (): Promise<boolean> => {
      for (const id of IDS) most[id] = Math.max(most[id], fs.readdirSync(`/proc/${replicas[id].pid}/fd`).length);
      const [busy, late] = ['busy', 'timeout'].map((reason) => counted('refusedConnections', reason));
      return (await busy) > 1000 && (await late) > 0;
    };
    const { silent } = await attacked(hasMet, 'silent', 'slow');
    expect(silent.closedByReplica).toBeGreaterThan(500);
    for (const count of most) expect(count).toBeLessThan(DESCRIPTORS - 50);
  });

  it('by a client with more connections than it may have, and by one that asks for much and reads nothing', async () => {
    const before = await counted('refusedConnections', 'busy');
    const hasMet = async (): Promise<boolean> =>
      (await counted('refusedConnections', 'busy')) > before + 4 &&
      (await counted('closedLinks', 'queue-overflow')) > 0;
    const { many, deaf } = await attacked(hasMet, 'many', 'deaf');
    expect(many.most).toBeLessThanOrEqual(64);
    expect(deaf.sent).toBeGreaterThan(0);
    for (const { memoryBytes } of await reports()) expect(memoryBytes).toBeLessThan(700 * 1024 * 1024);
  });

  it('by a client that is faster than it may be', async () => {
    const begun = performance.now();
    const before = workload.files;
    const { fast } = await attacked(
      async ({ fast: met }) => workload.files > before + 20 && met?.sent > 2000 && met.replies > 0,
      'fast',
    );
    const seconds = (performance.now() - begun) / 1000;
    expect(fast.replies).toBeLessThanOrEqual(IDS.length * (RATE + REPEATED) * (1 + seconds));
    expect(fast.sent).toBeGreaterThan(fast.replies);
  });

  it('lost nothing, and nothing of it was to be read on the way', async () => {
    await workload.stop();
    const { replicas: states } = await cluster.status({ barrier: true });
    expect(new Set(states.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    const stream = Buffer.concat(seen);
    expect(stream.length).toBeGreaterThan(100_000);
    expect([NAME, CONTENT].map((text) => stream.includes(text))).toEqual([false, false]);
  });
});

describe('a single replica', { timeout: 120_000 }, () => {
  const cluster = new TestCluster(1);
  beforeAll(() => cluster.init('--encryption', 'off'));
  afterAll(async () => {
    await closeAll();
    await cluster.destroy();
  });

  it('does not start with fewer descriptors than it needs', async () => {
    const [command, args] = limited(150, [CLI, 'replica', '--cluster', cluster.directory, '--id', '0']);
    const { code, stderr } = await run(command, args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^byzfs: only 150 descriptors may be open: \d+ at least are needed .*\n$/);
  });

  it('that is out of descriptors loses connections, and takes them again when it has some', async () => {
    const [command, args] = limited(250, [NO_DESCRIPTORS, cluster.directory]);
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    try {
      await until('it is full', () => said.includes('full: EMFILE'));
      const sockets = Array.from({ length: 50 }, () => connectTo({ port: cluster.basePort, host: '127.0.0.1' }));
      for (const socket of sockets) socket.on('error', () => undefined).resume();
      await until('they are turned away', () => sockets.every(({ destroyed }) => destroyed));
      await new Promise((resolve) => setTimeout(resolve, 500));
      child.stdin.write('free\n');
      await until('what it says', () => said.includes('}'));
      const { lost, busy } = JSON.parse(said.slice(said.indexOf('{')));
      // It did not try again and again.
      expect(lost).toBeLessThanOrEqual(sockets.length);
      expect(busy).toBeLessThan(0.5);
      const description = loadCluster(cluster.directory);
      const identity = loadClientIdentity(cluster.directory, description, 'mount');
      const client = await connect({ cluster: description, identity, log, deadlineMs: 1000 });
      await until('a link', () => client.health().linked.length === 1);
      const closing = once(child, 'exit');
      child.kill();
      await Promise.all([client.close(), closing]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('without encryption can be read on the way', async () => {
    cluster.startReplica(0);
    await cluster.ready();
    const description = loadCluster(cluster.directory);
    const identity = loadClientIdentity(cluster.directory, description, 'mount');
    const seen: Buffer[] = [];
    const client = await connect({ cluster: await recorded(description, seen), identity, log, deadlineMs: 60_000 });
    const node = await createFile(client, NAME);
    await called(client, {
      op: 'write',
      node,
      offset: 0,
      append: false,
      killPrivileges: false,
      data: Buffer.from(CONTENT),
    });
    await client.close();
    expect([NAME, CONTENT].map((text) => Buffer.concat(seen).includes(text))).toEqual([true, true]);
  });
});
