/** Four owners, each with a directory of their own, who set a cluster up by cards, and what goes wrong when they err. */
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ReplicaClient } from '../../src/client/connect.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { CLI, must, run, TestCluster, until } from './harness.js';

const OWNERS = ['anna', 'bert', 'carl', 'dora'];
const CLOCK = path.join(import.meta.dirname, 'clock.mjs');
const TYPING = path.join(import.meta.dirname, 'typing.py');
const HOUR = 3_600_000;

/** The harness's directory is that of the first owner, who also administers. */
const cluster = new TestCluster();
const at = (owner: string): string => (owner === 'anna' ? cluster.directory : path.join(cluster.scratch, owner));
const inside = (owner: string, ...names: string[]): string => path.join(at(owner), ...names);
const logOf = (id: number): string => fs.readFileSync(path.join(cluster.scratch, `replica-${id}.log`), 'utf8');

async function byzfs(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.byzfs(...args);
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' });
  return stdout;
}

/** What doctor says. How it ends is not looked at: others may have left mounts on this machine. */
const examined = async (directory: string): Promise<string> => (await cluster.byzfs('doctor', directory)).stdout;

/** The one line with which the command refuses, beside those of a log. */
async function refusal(...args: string[]): Promise<string> {
  const { code, stderr } = await cluster.byzfs(...args);
  const said = stderr.replace(/^\{.*\n/gm, '');
  expect([args, code, said]).toEqual([args, 1, expect.stringMatching(/^byzfs: [^\n]+\n$/)]);
  return said;
}

function file(name: string, content: string): string {
  const whole = path.join(cluster.scratch, name);
  fs.writeFileSync(whole, content, { mode: 0o600 });
  return whole;
}

const replicaArgs = (id: number): string[] => ['replica', '--cluster', at(OWNERS[id]), '--id', String(id)];

/** With variables for this start only. */
function start(id: number, variables: Record<string, string> = {}, before: string[] = []): ChildProcess {
  Object.assign(process.env, variables);
  const child = cluster.startReplica(id, [...before, CLI, ...replicaArgs(id)]);
  for (const name of Object.keys(variables)) delete process.env[name];
  return child;
}

async function ended(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await until('it has ended', () => child.exitCode !== null || child.signalCode !== null);
}

/** `action` on copies of files, which are put back. */
async function spoilt(files: string[], spoil: () => void, action: () => Promise<void>): Promise<void> {
  const kept = files.map((name) => ({ name, content: fs.readFileSync(name), mode: fs.statSync(name).mode }));
  try {
    spoil();
    await action();
  } finally {
    for (const { name, content, mode } of kept) {
      fs.writeFileSync(name, content);
      fs.chmodSync(name, mode);
    }
  }
}

describe('four owners', { timeout: 300_000 }, () => {
  const passphrase = file('passphrase', 'correct horse\n');
  const replicas: ChildProcess[] = [];
  let cards: string[];

  beforeAll(async () => {
    const made = OWNERS.map(async (owner, i) => {
      const address = ['--host', '127.0.0.1', '--port', String(cluster.basePort + i)];
      await byzfs('init', at(owner), '--card', owner, ...address, '--encrypt', '--passphrase-file', passphrase);
    });
    await Promise.all(made);
    for (const name of ['admin', 'mount']) await byzfs('init', at('anna'), '--client-card', name);
    cards = [...OWNERS, 'admin', 'mount'].map((name, i) => inside(OWNERS[i] ?? 'anna', `${name}.card`));
    const outputs = OWNERS.map((owner, i) =>
      byzfs('init', at(owner), '--cards', ...cards.slice(i), ...cards.slice(0, i)),
    );
    const digests = new Set((await Promise.all(outputs)).map((text) => /cluster ([0-9a-f]{64})\n/.exec(text)?.[1]));
    expect([...digests]).toEqual([expect.any(String)]);
    fs.mkdirSync(path.join(cluster.scratch, 'credentials'));
    file('credentials/byzfs-passphrase', 'correct horse');
    await byzfs('key', 'decrypt', at('dora'), '--passphrase-file', passphrase);
    replicas.push(start(0, { BYZFS_PASSPHRASE_FILE: passphrase }));
    replicas.push(start(1, { CREDENTIALS_DIRECTORY: path.join(cluster.scratch, 'credentials') }));
    replicas.push(cluster.startReplica(2, [CLI, ...replicaArgs(2), '--passphrase-file', passphrase]));
    replicas.push(start(3));
    await cluster.ready();
  }, 300_000);

  afterAll(() => cluster.destroy(), 60_000);

  it('have one cluster, whose digest everybody can see, and each only the keys that were made there', async () => {
    const texts = new Set(OWNERS.map((owner) => fs.readFileSync(inside(owner, 'cluster.json'), 'utf8')));
    expect(texts.size).toBe(1);
    const digest = loadCluster(at('anna')).id.toString('hex');
    expect(await byzfs('status', at('anna'))).toContain(`cluster ${digest} `);
    for (const [id, owner] of OWNERS.entries()) {
      expect(fs.readdirSync(inside(owner, 'keys'))).toEqual([`replica-${id}.key`]);
      expect(fs.readdirSync(inside(owner, 'clients'))).toEqual(id === 0 ? ['admin.key', 'mount.key'] : []);
    }
    const doctor = await examined(at('carl'));
    expect(doctor).toContain(`digest ${digest}`);
    expect(doctor).toContain('ok      keys/replica-2.key, encrypted\n');
    expect(doctor).toContain(`ok      replica 3 at 127.0.0.1:${cluster.basePort + 3} takes connections`);
  });

  it('may run a replica by up, with no other key than its own', async () => {
    await ended(replicas[3]);
    const up = await byzfs('up', '--detach', '--no-mount', '--dir', at('dora'));
    expect(up).toMatch(/^ready: .*, 1 of 4 replicas here on /);
    await cluster.ready();
    expect(await byzfs('down', '--dir', at('dora'))).toMatch(/^replica-3 \(pid \d+\) stopped$/m);
    replicas[3] = start(3);
    await cluster.ready();
  });

  it('register a client by its card, whose key stays where it is', async () => {
    const laptop = path.join(cluster.scratch, 'laptop');
    await byzfs('init', laptop, '--client-card', 'laptop');
    const card = path.join(laptop, 'laptop.card');
    expect(await refusal('client', 'add', at('anna'), 'phone', '--key', card)).toContain(
      'the card of client laptop, not of client phone',
    );
    await byzfs('client', 'add', at('anna'), 'laptop', '--key', card, '--read-only');
    fs.copyFileSync(inside('anna', 'cluster.json'), path.join(laptop, 'cluster.json'));
    fs.copyFileSync(inside('anna', 'clients', 'laptop.json'), path.join(laptop, 'clients', 'laptop.json'));
    const doctor = await examined(laptop);
    expect(doctor).toContain('ok      clients/laptop.key\n');
    expect(doctor).toMatch(/^ok {6}a quorum of 3 takes part in view \d+$/m);
    expect(doctor).toMatch(/^ok {6}the clocks of 4 replicas and of this machine agree$/m);
  });

  it('who err are told how, and start nothing', async () => {
    await ended(replicas[1]);
    const [clusterFile, key] = [inside('bert', 'cluster.json'), inside('bert', 'keys', 'replica-1.key')];
    const refused = () => refusal(...replicaArgs(1), '--passphrase-file', passphrase);

    expect(await refusal(...replicaArgs(1))).toMatch(
      /replica-1\.key: encrypted, and its passphrase is not known: give/,
    );
    const wrong = file('wrong', 'incorrect horse\n');
    expect(await refusal(...replicaArgs(1), '--passphrase-file', wrong)).toMatch(/wrong holds is not its passphrase/);

    await spoilt(
      [clusterFile, key],
      () => fs.truncateSync(clusterFile, 700),
      async () => {
        expect(await refused()).toMatch(/cluster\.json: not JSON, or cut short: .*copy it again from another machine/);
      },
    );
    await spoilt(
      [key],
      () => fs.truncateSync(key, 100),
      async () => {
        expect(await refused()).toMatch(/replica-1\.key: corrupt: .*put a copy of it back$/m);
      },
    );
    await spoilt(
      [key],
      () => fs.chmodSync(key, 0o644),
      async () => {
        expect(await refused()).toMatch(
          /replica-1\.key: mode 0644 lets others .* use this private key: chmod 600 it$/m,
        );
        const { code, stdout } = await cluster.byzfs('doctor', at('bert'));
        expect([code, stdout]).toEqual([1, expect.stringMatching(/^failed .*replica-1\.key: mode 0644/m)]);
      },
    );
    const annas = inside('anna', 'keys', 'replica-0.key');
    await spoilt(
      [key],
      () => fs.copyFileSync(annas, key),
      async () => {
        expect(await refused()).toMatch(/not the key of replicas\[1\] in cluster\.json: it is that of replicas\[0\]/);
      },
    );
    const shared = (): void => {
      const content = JSON.parse(fs.readFileSync(clusterFile, 'utf8'));
      content.replicas[1].publicKey = content.replicas[0].publicKey;
      fs.writeFileSync(clusterFile, JSON.stringify(content));
    };
    await spoilt([clusterFile], shared, async () => {
      expect(await refused()).toMatch(/replicas\[1\]\.publicKey: the same as replicas\[0\]\.publicKey/);
    });

    const other = path.join(cluster.scratch, 'other');
    await byzfs('init', other, '--base-port', String(cluster.basePort));
    const foreign = (name: string): string => path.join(other, name);
    await spoilt(
      [clusterFile],
      () => fs.copyFileSync(foreign('cluster.json'), clusterFile),
      async () => {
        expect(await refused()).toMatch(
          /not the key of replicas\[1\] in cluster\.json: corrupt, or of another cluster/,
        );
      },
    );
    const both = (): void => {
      fs.copyFileSync(foreign('cluster.json'), clusterFile);
      fs.copyFileSync(foreign('keys/replica-1.key'), key);
    };
    await spoilt([clusterFile, key], both, async () => {
      expect(await refused()).toMatch(/of another cluster or replica/);
    });

    replicas[1] = start(1, { BYZFS_PASSPHRASE_FILE: passphrase });
    await cluster.ready();
    // A copy of the whole directory, on a machine that has the same address.
    const copy = path.join(cluster.scratch, 'copy');
    fs.cpSync(at('bert'), copy, { recursive: true });
    const second = ['replica', '--cluster', copy, '--id', '1', '--passphrase-file', passphrase];
    expect(await refusal(...second)).toMatch(/replica-1 cannot listen: port \d+ is taken by pid/);
    expect((await cluster.status()).quorum).toBe(true);
  });

  it('see which replica another answers for, in its place', async () => {
    await ended(replicas[1]);
    let connections = 0;
    const detour = net.createServer((socket) => {
      connections++;
      const onward = net.connect(cluster.basePort, '127.0.0.1');
      for (const each of [socket, onward]) each.on('error', () => {});
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) => detour.listen(cluster.basePort + 1, '127.0.0.1', resolve));
    const description = loadCluster(at('anna'));
    const identity = loadClientIdentity(at('anna'), description, 'admin');
    const log = pino({ level: 'silent' });
    const client = new ReplicaClient({ cluster: description, identity, log, deadlineMs: 60_000 });
    try {
      const said = 'refused by the other end: replica 1 was dialed, this is replica 0';
      await until('they say so', () => [2, 3].every((id) => logOf(id).includes(said)), 60_000);
      const then = connections;
      await until('it was tried again and again', () => connections >= then + 8, 60_000);
      for (const id of [2, 3]) expect(logOf(id).split(said)).toHaveLength(2);
      const line = logOf(2)
        .split('\n')
        .find((each) => each.includes(said))!;
      expect(JSON.parse(line)).toMatchObject({ level: 40, replica: 1, msg: 'no link to a replica that answers' });
      const refused = async (id: number) =>
        ((await client.inspect(id, 20_000)) as { net: { refusedConnections: Record<string, number> } }).net
          .refusedConnections;
      expect((await refused(2)).refused).toBeGreaterThan(1);
      expect((await refused(0))['not-dialed']).toBeGreaterThan(1);
      expect(await byzfs('status', at('anna'))).toContain(`replica 1 cannot be linked to: ${said}\n`);
      expect((await cluster.status()).quorum).toBe(true);
    } finally {
      await client.close();
      detour.close();
      replicas[1] = start(1, { BYZFS_PASSPHRASE_FILE: passphrase });
    }
    await cluster.ready();
  });

  it.each([
    ['ahead', HOUR, /^replica 1 cannot be linked to: .*one of the clocks is wrong$/m],
    ['behind', -HOUR, /^the clock of replica 1 is 3[56]\d\d s behind: set it/m],
  ])('see whose clock is an hour %s, and go on without it', async (_, offset, line) => {
    await ended(replicas[1]);
    const wrong = { BYZFS_TEST_CLOCK_MS: String(offset), BYZFS_PASSPHRASE_FILE: passphrase };
    const before = logOf(1).length;
    replicas[1] = start(1, wrong, ['--import', CLOCK]);
    const log = (): string => logOf(1).slice(before);
    await until('it listens', () => log().includes('"listening"'));
    await until('it says that a clock is wrong', () => /clocks is wrong|a later process of/.test(log()));
    const doctor = await cluster.byzfs('doctor', at('anna'));
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringMatching(/^failed .*(clock|replica) .*1/m)]);
    expect(await byzfs('status', at('anna'))).toMatch(line);
    expect((await cluster.status()).quorum).toBe(true);
    await ended(replicas[1]);
    replicas[1] = start(1, { BYZFS_PASSPHRASE_FILE: passphrase });
    await cluster.ready();
  });
});

describe('a passphrase', { timeout: 300_000 }, () => {
  const single = new TestCluster(1);
  afterAll(() => single.destroy(), 60_000);
  const typed = (lines: string, ...args: string[]): Promise<string> =>
    must('python3', [TYPING, lines, process.execPath, CLI, ...args]);

  it('is typed at the terminal, twice where it is new, and handed on to the processes of up', async () => {
    await single.init('--client', 'admin');
    const { directory } = single;
    expect(await typed('one,one', 'key', 'encrypt', directory)).toMatch(/replica-0\.key: encrypted/);
    const differing = await run('python3', [
      TYPING,
      'one,two,three',
      process.execPath,
      CLI,
      'key',
      'change',
      directory,
    ]);
    expect([differing.code, differing.stdout]).toEqual([
      1,
      expect.stringContaining('two passphrases: nothing was changed'),
    ]);
    expect(differing.stdout).not.toContain('one');
    await typed('one,two,two', 'key', 'change', directory);
    const up = await typed('wrong,two', 'up', '--detach', '--no-mount', '--dir', directory);
    expect(up).toContain('ready: ');
    expect(up.match(/Passphrase of/g)).toHaveLength(2);
    expect((await single.byzfs('down', '--dir', directory)).stdout).toMatch(/replica-0 .* stopped/);
    expect(await typed('two', 'key', 'decrypt', directory)).toMatch(/admin\.key: not encrypted any more/);
    expect(JSON.parse((await single.byzfs('key', 'list', directory, '--json')).stdout).keys).toEqual(
      ['replica-0', 'admin'].map((name) => expect.objectContaining({ name, encrypted: false, mode: '0600' })),
    );
  });
});
