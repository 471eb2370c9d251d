import { describe, expect, it } from 'vitest';
import { LOCK_TO_END, type LockRequest } from '../../../src/fileservice/locks.js';
import {
  FileLimits,
  type Handle,
  LEASE_SECONDS,
  RENEWAL_SECONDS,
  ROOT_HANDLE,
} from '../../../src/fileservice/types.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { ALICE, BOB, bytes, Driver, ROOT, SESSION } from './support.js';

const OTHER: SessionId = { client: 3, instance: 1 };
const THIRD: SessionId = { client: 4, instance: 1 };

const lockOf = (changed: Partial<LockRequest> = {}): LockRequest => ({
  ...{ kind: 'posix', type: 'write', start: 0, end: LOCK_TO_END, owner: 'process1', pid: 17, ...changed },
});

/** Seconds pass: each call takes one. */
const wait = (fs: Driver, seconds: number): void => {
  for (let i = 0; i < seconds; i++) fs.stat(ROOT_HANDLE);
};

const renew = (fs: Driver, session: SessionId, claimed: number[] = [], released: number[] = []) =>
  fs.run('renew', { claimed, released }, ROOT, session);

const unlink = (fs: Driver, name: string, session = SESSION, retain = 0) =>
  fs.run('unlink', { parent: ROOT_HANDLE, name: bytes(name), retain }, ROOT, session);

const take = (fs: Driver, node: Handle, changed: Partial<LockRequest> = {}, session = SESSION, who = ROOT) =>
  fs.outcome('lock', { node, lock: lockOf(changed) }, who, session);

function endSession(fs: Driver, session: SessionId): void {
  const time = fs.nextTime;
  fs.state.beginBatch(fs.state.lastExecuted + 1);
  fs.state.service.sessionEnded(session, { sequence: fs.state.lastExecuted + 1, time, session });
  fs.state.endBatch(time);
  fs.state.commitBatch();
}

describe('locks', () => {
  it('of one session keep out the others, and tell who has them', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    expect(take(fs, file, { start: 10, end: 19 })).toBe('ok');
    expect(take(fs, file, { start: 15, end: 30 }, OTHER)).toBe('EAGAIN');
    expect(take(fs, file, { start: 15, end: 30, type: 'read' }, OTHER)).toBe('EAGAIN');
    expect(take(fs, file, { start: 20, end: 30 }, OTHER)).toBe('ok');
    expect(take(fs, file, { owner: 'process2' })).toBe('EAGAIN');
    const seen = { type: 'write', start: 10, end: 19 };
    const test = { node: file, lock: lockOf({ start: 0, end: 12, owner: 'process2' }) };
    expect(fs.run('testlock', test, ROOT, OTHER)).toEqual({ errno: 0, conflict: { ...seen, pid: 0 } });
    expect(fs.run('testlock', test)).toEqual({ errno: 0, conflict: { ...seen, pid: 17 } });
    expect(take(fs, file, { type: 'unlock' })).toBe('ok');
    expect(fs.run('testlock', test, ROOT, OTHER)).toEqual({ errno: 0 });
  });

  it('of readers are shared, and of flock and fcntl do not see each other', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    expect(take(fs, file, { type: 'read' })).toBe('ok');
    expect(take(fs, file, { type: 'read' }, OTHER)).toBe('ok');
    expect(take(fs, file, { type: 'write' })).toBe('EAGAIN');
    expect(take(fs, file, { kind: 'flock', type: 'write' }, OTHER)).toBe('ok');
    expect(take(fs, file, { kind: 'flock', type: 'read' })).toBe('EAGAIN');
  });

  it('of flock are gone when another type is not to be had', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    const flock = { kind: 'flock' } as const;
    expect(take(fs, file, { ...flock, type: 'read' })).toBe('ok');
    expect(take(fs, file, { ...flock, type: 'read' }, OTHER)).toBe('ok');
    expect(take(fs, file, { ...flock, type: 'write' })).toBe('EAGAIN');
    expect(take(fs, file, { ...flock, type: 'write' }, OTHER)).toBe('ok');
  });

  it('take permission to read or write, as opening the file would have', () => {
    const fs = Driver.fresh();
    const file = fs.create('f', 0o600, ALICE, fs.mkdir('d', 0o777));
    expect(take(fs, file, {}, SESSION, ALICE)).toBe('ok');
    expect(take(fs, file, { start: 5, end: 5 }, OTHER, BOB)).toBe('EACCES');
    expect(fs.outcome('testlock', { node: file, lock: lockOf() }, BOB, OTHER)).toBe('EACCES');
    expect(take(fs, { ino: file.ino, generation: 9 })).toBe('ESTALE');
  });

  it('are so many of a file at most', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    for (let i = 0; i < FileLimits.locksPerFile; i++) {
      if (i % RENEWAL_SECONDS === 0) renew(fs, SESSION);
      expect(take(fs, file, { start: 2 * i, end: 2 * i })).toBe('ok');
    }
    expect(take(fs, file, { start: 100_000, end: 100_001 })).toBe('ENOLCK');
    expect(take(fs, file)).toBe('ok');
    expect(take(fs, file, { start: 100_000, end: 100_001 })).toBe('ok');
  });

  it('go with their file, and are rows like any other', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    const empty = fs.state.checkpoint();
    take(fs, file, { start: 3, end: 4 });
    take(fs, file, { start: 8, end: 9, type: 'read' });
    expect(fs.state.checkpoint()).not.toEqual(empty);
    fs.state.commit();
    fs.restart();
    expect(take(fs, file, { start: 4, end: 4 }, OTHER)).toBe('EAGAIN');
    expect(take(fs, file, { start: 8, end: 8, type: 'read' }, OTHER)).toBe('ok');
    unlink(fs, 'f');
    renew(fs, OTHER, [], [file.ino]);
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });
});

describe('leases', () => {
  it('end after a time without renewal, and with them locks and nameless files', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    const temporary = fs.create('t');
    renew(fs, SESSION);
    take(fs, file);
    unlink(fs, 't', SESSION, temporary.ino);
    wait(fs, LEASE_SECONDS - 5);
    expect(take(fs, file, {}, OTHER)).toBe('EAGAIN');
    expect(fs.outcome('getattr', { node: temporary })).toBe('ok');
    wait(fs, 5);
    expect(take(fs, file, {}, OTHER)).toBe('ok');
    expect(fs.outcome('getattr', { node: temporary })).toBe('ESTALE');
    expect(renew(fs, SESSION).lapsed).toBe(true);
  });

  it('go on while they are renewed', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    expect(renew(fs, SESSION).lapsed).toBe(true);
    take(fs, file);
    for (let i = 0; i < 6; i++) {
      wait(fs, RENEWAL_SECONDS);
      expect(renew(fs, SESSION).lapsed).toBe(false);
    }
    expect(take(fs, file, {}, OTHER)).toBe('EAGAIN');
  });

  it('that begin with a lock are still told of: one before may have lapsed', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    renew(fs, SESSION);
    wait(fs, LEASE_SECONDS + 2);
    expect(take(fs, file)).toBe('ok');
    expect(renew(fs, SESSION).lapsed).toBe(true);
    expect(renew(fs, SESSION).lapsed).toBe(false);
    expect(take(fs, file, {}, OTHER)).toBe('EAGAIN');
  });

  it('outlive an outage: nobody could have renewed them', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    renew(fs, SESSION);
    take(fs, file);
    const time = { seconds: fs.nextTime.seconds + 3600, nanoseconds: 0 };
    const later = new Driver(fs.options, fs.state);
    Object.defineProperty(later, 'nextTime', {
      get: () => ({ seconds: time.seconds + later.state.lastExecuted, nanoseconds: 0 }),
    });
    expect(take(later, file, {}, OTHER)).toBe('EAGAIN');
    wait(later, RENEWAL_SECONDS);
    expect(renew(later, SESSION).lapsed).toBe(false);
    wait(later, RENEWAL_SECONDS + 5);
    expect(take(later, file, {}, OTHER)).toBe('EAGAIN');
    // Nobody renews any more.
    wait(later, LEASE_SECONDS);
    expect(take(later, file, {}, OTHER)).toBe('ok');
  });

  it('end with the session', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    take(fs, file);
    endSession(fs, SESSION);
    expect(take(fs, file, {}, OTHER)).toBe('ok');
  });
});

describe('a file whose last name is removed', () => {
  it('lives on until every session that may have it open has let go of it', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    for (const session of [SESSION, OTHER, THIRD]) expect(renew(fs, session).unclaimed).toEqual([]);
    unlink(fs, 'f');
    expect(renew(fs, SESSION).unclaimed).toEqual([]);
    expect(renew(fs, OTHER).unclaimed).toEqual([file.ino]);
    // Asked until it is answered.
    expect(renew(fs, OTHER).unclaimed).toEqual([file.ino]);
    expect(renew(fs, OTHER, [file.ino]).unclaimed).toEqual([]);
    expect(renew(fs, THIRD, [], [file.ino]).unclaimed).toEqual([]);
    expect(fs.stat(file).nlink).toBe(0);
    fs.run('release', { node: file }, ROOT, OTHER);
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
    expect(fs.state.statistics).toMatchObject({ usedBytes: 0, usedInodes: 1 });
  });

  it('is freed at once where nobody else has a lease', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    renew(fs, SESSION);
    unlink(fs, 'f');
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
  });

  it('is freed when the last of them is gone without a word', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    renew(fs, SESSION);
    renew(fs, OTHER);
    unlink(fs, 'f', SESSION, file.ino);
    fs.run('release', { node: file });
    expect(fs.outcome('getattr', { node: file })).toBe('ok');
    wait(fs, LEASE_SECONDS + 1);
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
  });

  it('is freed in its turn where there are many: no call waits for all of them', () => {
    const fs = Driver.fresh();
    const locked = fs.create('locked');
    for (let i = 0; i < 200; i++) {
      if (i % RENEWAL_SECONDS === 0) renew(fs, OTHER);
      fs.create(`f${i}`);
      unlink(fs, `f${i}`);
    }
    const kept = () => fs.state.statistics.usedInodes - 2;
    expect(take(fs, locked, {}, OTHER)).toBe('ok');
    expect(kept()).toBe(200);
    endSession(fs, OTHER);
    expect(kept()).toBe(136);
    expect(take(fs, locked)).toBe('ok');
    expect(kept()).toBe(72);
    expect(take(fs, locked, { type: 'unlock' })).toBe('ok');
    // Whoever locks something while what it had is let go of has a lease again.
    expect(take(fs, locked, {}, OTHER)).toBe('ok');
    expect(kept()).toBe(0);
    expect(take(fs, locked)).toBe('EAGAIN');
    expect(renew(fs, OTHER)).toMatchObject({ lapsed: true, unclaimed: [] });
  });

  it('is not had for the asking', () => {
    const fs = Driver.fresh();
    const file = fs.create('f');
    renew(fs, SESSION);
    unlink(fs, 'f', SESSION, file.ino);
    renew(fs, OTHER, [file.ino], []);
    renew(fs, OTHER, [], [file.ino]);
    expect(fs.outcome('getattr', { node: file })).toBe('ok');
    fs.run('release', { node: file });
    expect(fs.outcome('getattr', { node: file })).toBe('ESTALE');
  });

  it('is named to who asks in so many at a time', () => {
    const fs = Driver.fresh();
    const count = FileLimits.inosInRenewal + 3;
    for (let i = 0; i < count; i++) fs.create(`f${i}`);
    renew(fs, SESSION);
    renew(fs, OTHER);
    for (let i = 0; i < count; i++) {
      if (i % RENEWAL_SECONDS === 0) renew(fs, OTHER);
      unlink(fs, `f${i}`);
    }
    const { unclaimed } = renew(fs, OTHER);
    expect(unclaimed).toHaveLength(FileLimits.inosInRenewal);
    expect(renew(fs, OTHER, [], unclaimed).unclaimed).toHaveLength(3);
  });
});
