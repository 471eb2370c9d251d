import { describe, expect, it } from 'vitest';
import { SigningKey } from '../../../src/crypto/ed25519.js';
import { Signables } from '../../../src/crypto/signables.js';
import { type Approval, type Change, encodeChange } from '../../../src/fileservice/clients.js';
import { LOCK_TO_END } from '../../../src/fileservice/locks.js';
import { encodeOperation, type Operation } from '../../../src/fileservice/operations.js';
import { ALL_RIGHTS, type Rights } from '../../../src/fileservice/rights.js';
import { ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { type Call, CallKind, ReplyStatus, type Request } from '../../../src/pbft/messages.js';
import { openSessionOperation, Sessions } from '../../../src/pbft/sessions.js';
import { administer, below, keyOf, registered, registration, versionOf } from './clients.js';
import { ADMIN_SESSION, ALICE, bytes, cluster, Driver, ROOT, SESSION } from './support.js';
import { begin, certify, gather, hex, install } from './transfers.js';

const revocation = (name: string): Change => ({ kind: 'revoke', name });
const encoded = (operation: Operation): Buffer => encodeOperation(ROOT, operation);
const list = (fs: Driver) => fs.run('clients', { from: 0 }, ROOT, ADMIN_SESSION).clients;
const lock = { kind: 'posix', type: 'write', start: 0, end: LOCK_TO_END, owner: 'process1', pid: 1 } as const;

describe('the clients', () => {
  it('at first are those of the cluster file, who may do anything that the users may whom they state', () => {
    const fs = Driver.fresh();
    const since = { seconds: cluster().createdSeconds, nanoseconds: 0 };
    expect(list(fs).map(({ id, name }) => [id, name])).toEqual(cluster().clients.map(({ id, name }) => [id, name]));
    for (const client of list(fs)) expect(client).toMatchObject({ rights: ALL_RIGHTS, since, revoked: undefined });
  });

  it('are listed and changed by the administrator alone', () => {
    const fs = Driver.fresh();
    const change = registration('new');
    expect(fs.outcome('clients', { from: 0 })).toBe('EPERM');
    expect(fs.outcome('administer', { version: 0, change, approvals: [] })).toBe('EPERM');
    expect(fs.query('administer', { version: 0, change, approvals: [] }, ROOT, ADMIN_SESSION)).toEqual({ errno: 30 });
    expect(administer(fs, change)).toBe('ok');
    expect(list(fs).at(-1)).toMatchObject({ id: 6, name: 'new' });
    expect(fs.run('clients', { from: 6 }, ROOT, ADMIN_SESSION)).toMatchObject({ version: 1, clients: [{ id: 6 }] });
  });

  it('are changed once by a request, however often it is made', () => {
    const fs = Driver.fresh();
    const change = registration('new');
    const version = versionOf(fs);
    expect(administer(fs, change, [], version)).toBe('ok');
    expect(administer(fs, revocation('new'))).toBe('ok');
    expect(administer(fs, change, [], version)).toBe('EAGAIN');
    expect(administer(fs, revocation('mount'), [], version)).toBe('EAGAIN');
    expect(administer(fs, revocation('mount'), [], version + 9)).toBe('EAGAIN');
    expect(versionOf(fs)).toBe(version + 2);
  });

  it('have a name and a key of their own, and a number that no other ever has', () => {
    const fs = Driver.fresh();
    expect(administer(fs, registration('new', {}, keyOf(101)))).toBe('ok');
    expect(administer(fs, registration('new', {}, keyOf(102)))).toBe('EEXIST');
    expect(administer(fs, registration('newer', {}, keyOf(101)))).toBe('EEXIST');
    expect(administer(fs, registration('admin', {}, keyOf(103)))).toBe('EEXIST');
    expect(administer(fs, registration('odd', {}, Buffer.alloc(32)))).toBe('EINVAL');
    expect(administer(fs, revocation('new'))).toBe('ok');
    expect(administer(fs, registration('new', {}, keyOf(101)))).toBe('EEXIST');
    expect(administer(fs, registration('new', {}, keyOf(102)))).toBe('ok');
    expect(
      list(fs)
        .map(({ id, name, revoked }) => [id, name, revoked !== undefined])
        .slice(6),
    ).toEqual([
      [6, 'new', true],
      [7, 'new', false],
    ]);
  });

  it('are confined to directories that there are', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    const d = fs.mkdir('d');
    expect(administer(fs, registration('a', { subtree: below(file) }))).toBe('ENOTDIR');
    expect(administer(fs, registration('a', { subtree: below({ ino: 99, generation: 1 }) }))).toBe('ENOENT');
    expect(administer(fs, registration('a', { subtree: below({ ...d, generation: 2 }) }))).toBe('ENOENT');
    expect(administer(fs, registration('a', { subtree: below(d) }))).toBe('ok');
  });

  it('cannot be without the administrator, or revoked twice', () => {
    const fs = Driver.fresh();
    expect(administer(fs, revocation('admin'))).toBe('EBUSY');
    expect(administer(fs, revocation('nobody'))).toBe('ENOENT');
    expect(administer(fs, revocation('mount'))).toBe('ok');
    expect(administer(fs, revocation('mount'))).toBe('ENOENT');
  });

  it('say as whom they act, as far as they may', () => {
    const fs = Driver.fresh();
    fs.chmod(ROOT_HANDLE, 0o777);
    const users: Partial<Rights> = { uids: [{ low: 1000, high: 1000 }], gids: [{ low: 1000, high: 1000 }] };
    const session = registered(fs, 'users', users);
    const create = (name: string, who = ROOT, as = session) => {
      const o = { parent: ROOT_HANDLE, name: bytes(name), mode: 0o600, exclusive: true, truncate: false, access: 6 };
      return fs.outcome('create', o, who, as);
    };
    expect([create('a'), create('a', { ...ALICE, uid: 1001 }), create('a', { ...ALICE, gid: 0 })]).toEqual([
      ...['EACCES', 'EACCES', 'EACCES'],
    ]);
    expect(create('a', ALICE)).toBe('ok');
    const squashed = registered(fs, 'squashed', { squash: { whom: 'all', uid: 5, gid: 6 } });
    expect(create('b', ROOT, squashed)).toBe('ok');
    const found = fs.run('lookup', { parent: ROOT_HANDLE, name: bytes('b') }).attributes;
    expect(found).toMatchObject({ uid: 5, gid: 6 });
    expect(fs.outcome('setattr', { node: found, uid: 0 }, ROOT, squashed)).toBe('EPERM');
    // A group that the key may not assert opens nothing.
    fs.run('setattr', { node: found, gid: 50, mode: 0o640 });
    expect(fs.outcome('open', { node: found, access: 4 }, ALICE, SESSION)).toBe('ok');
    expect(fs.outcome('open', { node: found, access: 4 }, ALICE, session)).toBe('EACCES');
  });

  it('who may only read change nothing', () => {
    const fs = Driver.fresh();
    const file = fs.create('f', 0o666);
    const session = registered(fs, 'reader', { readOnly: true });
    const data = { offset: 0, append: false, killPrivileges: false, data: bytes('x') };
    const before = [fs.stat(file), fs.names()];
    const outcome = (op: 'write' | 'open' | 'lock' | 'setattr', o: object) => fs.outcome(op, o as never, ROOT, session);
    expect(outcome('write', { node: file, ...data })).toBe('EROFS');
    expect(outcome('open', { node: file, access: 2 })).toBe('EROFS');
    expect(outcome('setattr', { node: file, atime: 'now', mtime: 'now' })).toBe('EROFS');
    expect(outcome('lock', { node: file, lock })).toBe('EROFS');
    expect(outcome('lock', { node: file, lock: { ...lock, type: 'read' } })).toBe('ok');
    expect(outcome('open', { node: file, access: 4 })).toBe('ok');
    expect(fs.run('read', { node: file, offset: 0, length: 1 }, ROOT, session).data.length).toBe(0);
    expect([fs.stat(file), fs.names()]).toEqual(before);
  });

  it('that nobody registered do nothing', () => {
    const fs = Driver.fresh();
    expect(fs.outcome('getattr', { node: ROOT_HANDLE }, ROOT, { client: 77, instance: 1 })).toBe('EACCES');
    expect(fs.query('getattr', { node: ROOT_HANDLE }, ROOT, { client: 77, instance: 1 })).toEqual({ errno: 13 });
  });
});

describe('owners', () => {
  const seeds = [0, 1, 2, 3].map((id) => Buffer.alloc(32, 60 + id));
  const replicas = seeds.map((seed, id) => ({
    ...{ id, host: 'h', port: 1, publicKey: new SigningKey(seed).publicKey },
  }));
  const changed = { replicas, ownerSignatures: 2 };
  const signables = new Signables(cluster(changed).id);
  const signed = (by: number[], version: number, change: Change, using = signables): Approval[] =>
    by.map((replica) => {
      const key = new SigningKey(seeds[replica]);
      return { replica, signature: key.sign(using.administration(version, encodeChange(change))) };
    });

  it('consent to this change, of this cluster, once', () => {
    const fs = Driver.fresh(changed);
    const change = registration('new');
    const other = registration('new', { readOnly: true });
    const [first, second] = signed([0, 3], 0, change);
    const cases: [what: string, Approval[]][] = [
      ['none', []],
      ['one', [first]],
      ['of another change', [first, ...signed([3], 0, other)]],
      ['of another version', [first, ...signed([3], 1, change)]],
      ['of another cluster', [first, ...signed([3], 0, change, new Signables(Buffer.alloc(32, 9)))]],
      ["another's", [first, { ...second, replica: 2 }]],
      ['of no owner', [first, { ...second, replica: 9 }]],
      ['a wrong one beside enough', [...signed([0, 1], 0, change), { ...second, replica: 2 }]],
    ];
    for (const [what, approvals] of cases)
      expect([what, administer(fs, change, approvals, 0)]).toEqual([what, 'EACCES']);
    expect(administer(fs, change, [first, second], 0)).toBe('ok');
    expect(administer(fs, revocation('new'), signed([1, 2], 1, revocation('new')), 1)).toBe('ok');
    expect(administer(fs, change, [first, second], 0)).toBe('EAGAIN');
    expect(administer(fs, change, [first, second], 2)).toBe('EACCES');
  });

  it('keep their keys to themselves', () => {
    const fs = Driver.fresh(changed);
    const change = registration('new', {}, replicas[1].publicKey);
    expect(administer(fs, change, signed([0, 1, 2], 0, change))).toBe('EEXIST');
  });
});

describe('revocation', () => {
  const request = (client: number, instance: number): Request => {
    const empty = new Uint8Array(0);
    return {
      ...{ kind: 'request', session: { client, instance }, readOnly: false, replier: 0, calls: [], body: empty },
      ...{ digest: new Uint8Array(32).fill(7), authenticator: empty, signature: empty },
    };
  };

  it('ends sessions, locks and files held open', () => {
    const fs = Driver.fresh();
    const session = registered(fs, 'new');
    const file = fs.create('f');
    const held = fs.create('held');
    fs.run('lock', { node: file, lock }, ROOT, session);
    fs.run('unlink', { parent: ROOT_HANDLE, name: bytes('held'), retain: held.ino }, ROOT, session);
    expect(fs.outcome('lock', { node: file, lock })).toBe('EAGAIN');
    expect(administer(fs, revocation('new'))).toBe('ok');
    expect(fs.outcome('lock', { node: file, lock })).toBe('ok');
    expect(fs.outcome('getattr', { node: held })).toBe('ESTALE');
    expect(fs.state.sessions.session(session)).toBeUndefined();
    expect(fs.state.sessions.endedInstance(session.client)).toBe(session.instance);
    expect(fs.outcome('getattr', { node: file }, ROOT, session)).toBe('EACCES');
  });

  it('takes effect between two calls of one batch, and for good', () => {
    const fs = Driver.fresh();
    const { client, instance } = registered(fs, 'new');
    const sessions = new Sessions(fs.state.sessions, fs.state.service);
    const operation = encoded({ op: 'null', padding: Buffer.alloc(0), resultBytes: 0 });
    const call = (slot: number): Call => ({ kind: CallKind.Service, slot, sequence: 1, operation });
    const open = (instance: number): [Request, Call] => [
      request(client, instance),
      { kind: CallKind.OpenSession, slot: 0xfffe, sequence: 1, operation: openSessionOperation(4, 0) },
    ];
    const sequence = fs.state.lastExecuted + 1;
    const execute = (of: Request, call: Call) =>
      sessions.execute(of, call, { sequence, time: fs.nextTime, session: of.session }).status;
    const version = versionOf(fs);
    fs.state.beginBatch(fs.state.lastExecuted + 1);
    expect(execute(request(client, instance), call(0))).toBe(ReplyStatus.Ok);
    expect(sessions.remembered(request(client, instance), call(1))).toBeUndefined();
    revoke(fs, 'new', version);
    const later: [Request, Call][] = [
      // Its cached reply too.
      [request(client, instance), call(0)],
      [request(client, instance), call(1)],
      open(instance),
      open(instance + 1),
    ];
    for (const [of, each] of later) {
      expect(execute(of, each)).toBe(ReplyStatus.NoSession);
      // So nobody waits for it, and nothing of it is ordered.
      expect(sessions.remembered(of, each)?.status).toBe(ReplyStatus.NoSession);
    }
    fs.state.endBatch(fs.nextTime);
    fs.state.commitBatch();
    expect(execute(...open(2 ** 40))).toBe(ReplyStatus.NoSession);
    expect(execute(request(99, 1), open(1)[1])).toBe(ReplyStatus.NoSession);
    // Who is not known yet may be by the time that its request is ordered.
    expect(sessions.remembered(request(99, 1), open(1)[1])).toBeUndefined();
  });

  /** In the batch under way. */
  function revoke(fs: Driver, name: string, version: number): void {
    const { service, lastExecuted } = fs.state;
    const bytes = encoded({ op: 'administer', version, change: revocation(name), approvals: [] });
    service.execute(bytes, { sequence: lastExecuted + 1, time: fs.nextTime, session: ADMIN_SESSION });
  }

  it('and registration are known outside once they are final, and not before', () => {
    const fs = Driver.fresh();
    const { registry } = fs.state;
    const change = registration('new');
    const operation = encoded({ op: 'administer', version: 0, change, approvals: [] });
    const tentatively = (bytes: Uint8Array): void => {
      const sequence = fs.state.lastExecuted + 1;
      fs.state.beginBatch(sequence);
      fs.state.service.execute(bytes, { sequence, time: fs.nextTime, session: ADMIN_SESSION });
      fs.state.endBatch(fs.nextTime);
    };
    const before = hex(fs.state.checkpoint());
    tentatively(operation);
    expect([fs.state.sessions.standing(6), registry.get(6)]).toEqual(['registered', undefined]);
    fs.state.rollbackBatch();
    expect([fs.state.sessions.standing(6), registry.get(6)]).toEqual(['unknown', undefined]);
    expect(hex(fs.state.checkpoint())).toBe(before);
    const { changes } = registry;
    tentatively(operation);
    fs.state.commitBatch();
    expect(registry.get(6)).toMatchObject({ name: 'new', revoked: undefined });
    expect(registry.changes).toBe(changes + 1);
    fs.create('f');
    expect(registry.changes).toBe(changes + 1);
    tentatively(encoded({ op: 'administer', version: 1, change: revocation('new'), approvals: [] }));
    expect(registry.get(6)?.revoked).toBeUndefined();
    fs.state.commitBatch();
    expect(registry.get(6)?.revoked).toBeDefined();
    fs.restart();
    expect(fs.state.registry.get(6)).toBeUndefined();
  });

  it('are the same state whether they were executed or transferred', () => {
    const source = Driver.fresh();
    const target = Driver.fresh();
    source.create('f');
    target.create('f');
    certify(target);
    const session = registered(source, 'new', {
      quota: { bytes: 1 << 20, inodes: 10 },
      rate: 7,
      subtree: below(source.mkdir('s')),
    });
    source.create('g', 0o644, ROOT);
    source.run('mkdir', { parent: ROOT_HANDLE, name: bytes('d'), mode: 0o755 }, ROOT, session);
    administer(source, revocation('other'));
    const certified = certify(source);
    expect(hex(certified.root)).toBe(hex(source.state.recomputeDigest()));
    const transfer = begin(target, certified);
    gather(transfer, source.state);
    install(transfer);
    expect(hex(target.state.recomputeDigest())).toBe(hex(certified.root));
    expect(target.state.registry.get(session.client)).toMatchObject({ name: 'new' });
    expect(target.state.registry.get(1)?.revoked).toBeDefined();
    expect(list(target)).toEqual(list(source));
    // And both go on alike.
    for (const fs of [source, target]) {
      expect(fs.outcome('getattr', { node: ROOT_HANDLE }, ROOT, { client: 1, instance: 1 })).toBe('EACCES');
      fs.run('mkdir', { parent: ROOT_HANDLE, name: bytes('e'), mode: 0o755 }, ROOT, session);
    }
    expect(hex(target.state.checkpoint())).toBe(hex(source.state.checkpoint()));
  });
});
