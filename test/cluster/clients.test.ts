/** Clients and rights, with real replicas, and with clients that do not keep to what they may. */
import fs from 'node:fs';
import path from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountLog } from '../../src/cli/mount-records.js';
import { type ConnectOptions, ReplicaClient } from '../../src/client/connect.js';
import { loadCluster } from '../../src/cluster/file.js';
import { loadClientIdentity } from '../../src/cluster/identity.js';
import { errnoName } from '../../src/fileservice/errno.js';
import { encodeOperation, isReadOnly, type Operation } from '../../src/fileservice/operations.js';
import { decodeResult, type Results } from '../../src/fileservice/results.js';
import { type Attributes, type Handle, ROOT_HANDLE } from '../../src/fileservice/types.js';
import type { Link } from '../../src/net/link.js';
import type { UnsealedRequest } from '../../src/pbft/client.js';
import {
  type Call,
  CallKind,
  EVERYONE,
  type Message,
  READ_ONLY_SLOT,
  type Reply,
  type Request,
} from '../../src/pbft/messages.js';
import { encodeMessage } from '../../src/wire/codec.js';
import { run, shell, TestCluster, until } from './harness.js';

const ROOT = { uid: 0, gid: 0, groups: [] };
/** Of what a client has not sent yet. */
const FULL_BYTES = 4 * 1024 * 1024;
const FAULTY = path.join(import.meta.dirname, 'faulty-replica.mjs');
const name = (text: string): Buffer => Buffer.from(text);
const written = (node: Handle, text: string): Operation => ({
  ...{ op: 'write', node, offset: 0, append: false, killPrivileges: false, data: name(text) },
});

/** Keeps what it has sent, to send it once more, and does not hear that it was revoked. */
class ModifiedClient extends ReplicaClient {
  private readonly sent = new Set<Buffer>();
  readonly replies: { replica: number; reply: Reply }[] = [];

  constructor(private readonly modified: ConnectOptions) {
    super(modified);
  }

  override onMessage(link: Link, message: Message): void {
    if (message.kind === 'reply') this.replies.push({ replica: link.peer.id, reply: message });
    if (message.kind !== 'revoked') super.onMessage(link, message);
  }

  private get number(): number {
    return this.modified.identity.id;
  }

  private get inside() {
    return this as unknown as {
      instance: number;
      seal(request: UnsealedRequest): Request;
      encode(request: Request): Buffer;
      endpoint: { replicas: (Link | undefined)[] };
    };
  }

  record(): void {
    const { inside } = this;
    const encode = inside.encode.bind(this);
    inside.encode = (request) => {
      const bytes = encode(request);
      this.sent.add(bytes);
      return bytes;
    };
  }

  /** Sends a request of its own making to one replica, or to all. @returns false if nothing more fits */
  inject(calls: Call[], readOnly: boolean, to: number[] = [0, 1, 2, 3]): boolean {
    const { instance, seal, endpoint } = this.inside;
    const client = this.number;
    const request = seal.call(this, { session: { client, instance }, readOnly, replier: EVERYONE, calls });
    const bytes = encodeMessage(request);
    return to.every((replica) => {
      const link = endpoint.replicas[replica];
      return link === undefined || (link.queuedBytes < FULL_BYTES && link.send(bytes));
    });
  }

  /** Sends all of it again, to whoever still listens. */
  replay(): void {
    for (const bytes of this.sent) for (const link of this.inside.endpoint.replicas) link?.send(bytes);
  }
}

describe('rights', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  const clients: ReplicaClient[] = [];

  beforeEach(() => {
    cluster = new TestCluster();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await cluster.destroy();
  });

  async function start(permissive: boolean): Promise<void> {
    await cluster.init();
    for (const id of [0, 1, 2, 3]) {
      if (permissive && id === 0) cluster.startReplica(id, [FAULTY, cluster.directory, '0', 'permissive']);
      else cluster.startReplica(id);
    }
    await cluster.ready();
  }

  async function must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cluster.byzfs(...args);
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' });
    return stdout;
  }

  async function connected(as: string): Promise<ModifiedClient> {
    const description = loadCluster(cluster.directory);
    const identity = loadClientIdentity(cluster.directory, description, as);
    const log = pino({ level: 'silent' });
    const client = new ModifiedClient({ cluster: description, identity, log, deadlineMs: 60_000 });
    clients.push(client);
    client.record();
    await client.linked();
    return client;
  }

  /** What the operation yields, or the name of its error; asked both ways, where there are two. */
  async function asked<O extends Operation>(
    client: ReplicaClient,
    operation: O,
    who = ROOT,
  ): Promise<Results[O['op']] | string> {
    const ask = async (readOnly: boolean) => {
      const bytes = await client.call(encodeOperation(who, operation), { readOnly });
      return decodeResult(operation.op as O['op'], bytes) as { errno: number };
    };
    const result = await ask(false);
    if (isReadOnly(operation)) expect(await ask(true)).toEqual(result);
    return result.errno === 0 ? (result as Results[O['op']]) : errnoName(result.errno);
  }

  async function made(client: ReplicaClient, operation: Operation, who = ROOT): Promise<Attributes> {
    const result = await asked(client, operation, who);
    if (typeof result === 'string' || !('attributes' in result)) throw new Error(`${operation.op}: ${String(result)}`);
    return result.attributes as Attributes;
  }

  const mkdir = (parent: Handle, as: string): Operation => ({ op: 'mkdir', parent, name: name(as), mode: 0o777 });
  const create = (parent: Handle, as: string): Operation => ({
    ...{ op: 'create', parent, name: name(as), mode: 0o666, exclusive: true, truncate: false, access: 6 },
  });

  it('are kept by the replicas, whatever a client sends', async () => {
    await start(false);
    const all = await connected('mount');
    const outside = await made(all, mkdir(ROOT_HANDLE, 'outside'));
    const secret = await made(all, create(outside, 'secret'));
    await asked(all, written(secret, 'secret'));
    const s = await made(all, mkdir(ROOT_HANDLE, 's'));
    const add = ['client', 'add', cluster.directory];
    await must(...add, 'user', '--uids', '1000', '--gids', '1000');
    await must(...add, 'reader', '--read-only');
    await must(...add, 'confined', '--subtree', '/s');
    const [user, reader, confined] = [await connected('user'), await connected('reader'), await connected('confined')];

    // A foreign user.
    const alice = { uid: 1000, gid: 1000, groups: [] };
    for (const who of [ROOT, { ...alice, uid: 1001 }, { ...alice, gid: 0 }]) {
      expect(await asked(user, create(s, 'x'), who)).toBe('EACCES');
      expect(await asked(user, { op: 'read', node: secret, offset: 0, length: 9 }, who)).toBe('EACCES');
    }
    expect(await made(user, create(s, 'hers'), alice)).toMatchObject({ uid: 1000, gid: 1000 });

    // A write by one who may only read.
    expect(await asked(reader, written(secret, 'x'))).toBe('EROFS');
    expect(await asked(reader, mkdir(ROOT_HANDLE, 'x'))).toBe('EROFS');
    expect(await asked(reader, { op: 'open', node: secret, access: 2 })).toBe('EROFS');
    expect(await asked(reader, { op: 'read', node: secret, offset: 0, length: 9 })).toMatchObject({
      data: name('secret'),
    });

    // Out of a directory, by its parent, by handles and by names.
    const above: Operation = { op: 'lookup', parent: ROOT_HANDLE, name: name('..') };
    expect(await made(confined, above)).toMatchObject(ROOT_HANDLE);
    expect(await asked(confined, { ...above, name: name('outside') } as Operation)).toBe('ENOENT');
    const symlink = await made(confined, {
      op: 'symlink',
      parent: ROOT_HANDLE,
      name: name('l'),
      target: name('../outside'),
    });
    expect(await asked(confined, { op: 'lookup', parent: symlink, name: name('secret') })).toBe('ENOTDIR');
    for (let ino = 1; ino <= secret.ino; ino++) {
      const seen = await asked(confined, { op: 'getattr', node: { ino, generation: 1 } });
      if (ino === 1 || ino === s.ino) expect(seen).toMatchObject({ attributes: ROOT_HANDLE });
      else expect(seen).toBe('ESTALE');
    }
    const renamed = { parent: outside, name: name('secret'), newParent: ROOT_HANDLE, newName: name('x') };
    for (const operation of [
      { op: 'read', node: secret, offset: 0, length: 9 },
      written(secret, 'x'),
      { op: 'link', node: secret, parent: ROOT_HANDLE, name: name('x') },
      { op: 'rename', ...renamed, flags: 0, retain: 0 },
      { op: 'unlink', parent: outside, name: name('secret'), retain: secret.ino },
    ] as const satisfies Operation[]) {
      expect(await asked(confined, operation)).toBe('ESTALE');
    }
    expect(await asked(all, { op: 'read', node: secret, offset: 0, length: 9 })).toMatchObject({
      data: name('secret'),
    });
    // And nobody but the administrator gives rights.
    const change = { kind: 'revoke', name: 'mount' } as const;
    expect(await asked(all, { op: 'administer', version: 3, change, approvals: [] })).toBe('EPERM');
    expect(await asked(all, { op: 'clients', from: 0 })).toBe('EPERM');
    const { view, replicas } = await cluster.status({ barrier: true });
    expect(view).toBe(0);
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
  });

  it('bound how fast each replica reads of a client, whatever it sends, and nobody else waits for it', async () => {
    await start(false);
    const rate = 50;
    await must('client', 'add', cluster.directory, 'fast', '--rate', `${rate}`);
    const started = performance.now();
    const [other, fast] = [await connected('mount'), await connected('fast')];
    await made(fast, mkdir(ROOT_HANDLE, 'fast'));
    const read = encodeOperation(ROOT, { op: 'getattr', node: ROOT_HANDLE });
    let sequence = 1_000_000;
    const flood = setInterval(() => {
      const call = () => ({ kind: CallKind.Service, slot: READ_ONLY_SLOT, sequence: sequence++, operation: read });
      for (let i = 0; i < 100; i++) if (!fast.inject([call()], true)) return;
    }, 1);
    try {
      for (let i = 0; i < 40; i++) await made(other, mkdir(ROOT_HANDLE, `d${i}`));
      await until('a flood', () => sequence > 1_000_000 + 20 * rate);
      // Its own calls stand behind what it sent before, and have the same rate.
      const answered = fast.replies.length;
      await until('more answers', () => fast.replies.length > answered + rate);
    } finally {
      clearInterval(flood);
    }
    for (const id of [0, 1, 2, 3]) {
      const read = fast.replies.filter(({ replica }) => replica === id).length;
      const may = rate * (1 + (performance.now() - started) / 1000);
      expect(read).toBeLessThanOrEqual(may);
      expect(read).toBeGreaterThan(rate / 2);
    }

    // At its limit, something else to each replica: what a backup has read the primary need not have.
    await must('client', 'add', cluster.directory, 'crooked', '--rate', '20');
    const crooked = await connected('crooked');
    await made(crooked, mkdir(ROOT_HANDLE, 'crooked'));
    const last = 40;
    for (let k = 1; k <= last; k++) {
      for (const id of [0, 1, 2, 3]) {
        const operation = encodeOperation(ROOT, mkdir(ROOT_HANDLE, `crooked-${id}-${k}`));
        crooked.inject([{ kind: CallKind.Service, slot: 60 + id, sequence: k, operation }], false, [id]);
      }
    }
    const isLast = (id: number) =>
      crooked.replies.some(({ reply }) => reply.slot === 60 + id && reply.sequence === last);
    await until('its last calls', () => [0, 1, 2, 3].every(isLast), 60_000);
    expect(await made(other, { op: 'lookup', parent: ROOT_HANDLE, name: name(`crooked-3-${last}`) })).toBeDefined();
    const { view, replicas } = await cluster.status({ barrier: true });
    expect(view).toBe(0);
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    expect(JSON.parse(await must('client', 'show', cluster.directory, 'fast', '--json'))).toMatchObject({ rate });
  });

  it('end everywhere with a revocation, though the primary proposes all that the client sent before and sends now', async () => {
    await start(true);
    await must('client', 'add', cluster.directory, 'leaver');
    const [all, leaver] = [await connected('mount'), await connected('leaver')];
    const file = await made(leaver, create(ROOT_HANDLE, 'f'));
    await asked(leaver, written(file, 'before'));
    const lock = { kind: 'posix', type: 'write', start: 0, end: 9, owner: 'process1', pid: 1 } as const;
    expect(await asked(leaver, { op: 'lock', node: file, lock })).toMatchObject({ errno: 0 });
    expect(await asked(all, { op: 'lock', node: file, lock })).toBe('EAGAIN');
    expect(await must('client', 'revoke', cluster.directory, 'leaver')).toBe('client 2 leaver is revoked\n');

    // The lock is free, and the links of correct replicas are closed.
    expect(await asked(all, { op: 'lock', node: file, lock })).toMatchObject({ errno: 0 });
    await asked(all, written(file, 'after'));
    await until('all but the faulty replica have closed the link', () => leaver.health().linked.length <= 1);
    expect((await cluster.status()).replicas[0]).toMatchObject({ up: true });
    leaver.replay();
    const attempts = [
      written(file, 'more'),
      mkdir(ROOT_HANDLE, 'more'),
      { op: 'read', node: file, offset: 0, length: 9 },
    ];
    for (const operation of attempts as Operation[]) {
      const readOnly = isReadOnly(operation);
      const refused = leaver.call(encodeOperation(ROOT, operation), { readOnly, deadlineMs: 1500 });
      await expect(refused).rejects.toThrow(/no 3 matching replies|session/);
      leaver.replay();
    }
    expect(await asked(all, { op: 'read', node: file, offset: 0, length: 9 })).toMatchObject({ data: name('aftere') });
    expect(await asked(all, { op: 'lookup', parent: ROOT_HANDLE, name: name('more') })).toBe('ENOENT');
    const { view, replicas } = await cluster.status({ barrier: true });
    expect(view).toBe(0);
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    // Nor does it come back.
    const again = await connected('leaver');
    await expect(again.call(encodeOperation(ROOT, written(file, 'x')), { deadlineMs: 1500 })).rejects.toThrow();
    expect(await must('client', 'list', cluster.directory)).toMatch(/2 +leaver +revoked 20/);
    const { stderr, code } = await cluster.byzfs('client', 'add', cluster.directory, 'leaver');
    expect([code, stderr]).toEqual([1, expect.stringContaining('leaver.key exists')]);
  });

  it('change with the signatures of as many owners as the cluster wants', async () => {
    await cluster.init('--owner-signatures', '2');
    for (const id of [0, 1, 2, 3]) cluster.startReplica(id);
    await cluster.ready();
    const { directory } = cluster;
    const file = path.join(cluster.scratch, 'change.json');
    const usage = await cluster.byzfs('client', 'add', directory, 'new', '--read-only');
    expect(usage).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^byzfs: 2 owners .* --proposal FILE.*\n$/),
    });
    await must('client', 'add', directory, 'new', '--read-only', '--proposal', file);
    const sign = (id: number) => must('client', 'sign', directory, file, '--id', `${id}`);
    expect(await sign(3)).toMatch(/^register new\n(.*\n)*access +read-only\n(.*\n)*.*signed by 1 of 2 owners/);
    const early = await cluster.byzfs('client', 'apply', directory, file);
    expect([early.code, early.stderr]).toEqual([1, 'byzfs: 1 more owners have to sign it: byzfs client sign\n']);
    await sign(0);
    await must('client', 'apply', directory, file);
    const again = await cluster.byzfs('client', 'apply', directory, file);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('another change was made meanwhile')]);
    expect(JSON.parse(await must('client', 'show', directory, 'new', '--json'))).toMatchObject({
      id: 2,
      readOnly: true,
    });
    const client = await connected('new');
    expect(await asked(client, mkdir(ROOT_HANDLE, 'd'))).toBe('EROFS');
    // The administrator's key alone is worth nothing.
    const admin = await connected('admin');
    const change = { kind: 'revoke', name: 'new' } as const;
    expect(await asked(admin, { op: 'administer', version: 1, change, approvals: [] })).toBe('EACCES');
  });
});

describe('a mount', { timeout: 300_000 }, () => {
  const cluster = new TestCluster();
  const mnt = cluster.mountpoint;
  const other = path.join(cluster.scratch, 'other');
  const logOf = (mountpoint: string): string => fs.readFileSync(mountLog(cluster.directory, mountpoint), 'utf8');
  afterEach(() => cluster.destroy(), 60_000);

  it('shows its client as much as it may see, and says once that it was revoked', async () => {
    await cluster.up();
    await shell(`mkdir -p ${mnt}/projects/a/deep; echo top > ${mnt}/top; echo inside > ${mnt}/projects/a/file`);
    const add = [
      'client',
      'add',
      cluster.directory,
      'a',
      '--subtree',
      '/projects/a',
      '--quota',
      '1M',
      '--quota-inodes',
      '5',
    ];
    expect((await cluster.byzfs(...add)).code).toBe(0);
    await cluster.mount(other, '--client', 'a');
    expect(await shell(`cd ${other}/deep && ls -a .. && cat ../../file ../file 2>&1 || true`)).toContain('inside');
    expect(await shell(`ls ${other}; stat -c %i ${other}; cd ${other}/..; stat -c %n other`)).toBe(
      'deep\nfile\n1\nother\n',
    );
    expect(
      await shell(`echo new > ${other}/deep/new; ln ${other}/deep/new ${other}/link; cat ${mnt}/projects/a/link`),
    ).toBe('new\n');
    expect((await run('ln', ['-s', '/top', `${other}/l`])).code).toBe(0);
    const full = await run('dd', ['if=/dev/zero', `of=${other}/big`, 'bs=64K', 'count=40', 'conv=fsync']);
    expect([full.code, full.stderr]).toEqual([1, expect.stringMatching(/quota exceeded/i)]);
    expect(await shell(`df --output=size,itotal ${other} | tail -1`)).toMatch(/^ *1024 +5$/m);

    const sign = path.join(cluster.scratch, 'sign');
    // A file with changes that are not sent yet when its client is revoked.
    const writer = shell(
      `exec 3> ${other}/file; echo lost >&3; touch ${sign}.written; while [ ! -e ${sign}.revoked ]; do sleep 0.1; done; ` +
        "python3 -c 'import os; os.fsync(3)'",
    );
    await until('it is written', () => fs.existsSync(`${sign}.written`));
    const outcome = writer.then(
      () => 'synced',
      (error: Error) => error.message,
    );
    expect((await cluster.byzfs('client', 'revoke', cluster.directory, 'a')).code).toBe(0);
    await until('the log says so', () => logOf(other).includes('revoked'));
    fs.writeFileSync(`${sign}.revoked`, '');
    for (const command of [`ls ${other}`, `cat ${other}/file`, `touch ${other}/x`, `mkdir ${other}/y`]) {
      const { code, stderr } = await run('bash', ['-c', command]);
      expect([command, code !== 0, stderr]).toEqual([command, true, expect.stringContaining('Permission denied')]);
    }
    expect(await outcome).toMatch(/Input\/output error|Permission denied/);
    const lines = logOf(other)
      .split('\n')
      .filter((line) => /"level":[456]0/.test(line))
      .map((line) => JSON.parse(line).msg);
    // The others are of the quota.
    expect(lines.filter((line) => line !== 'a delayed write failed')).toEqual([
      'this client was revoked: no call of it is executed any more',
      'the session is lost: unsynced changes of open files may be too',
    ]);
    expect(await shell(`cat ${mnt}/top`)).toBe('top\n');
    await cluster.umount(other);
    const refused = await cluster.byzfs('mount', cluster.directory, other, '--client', 'a');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^byzfs: client a was revoked: .*\n$/)]);
  });
});
