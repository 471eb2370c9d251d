/** A mount of one directory, or as one user, on a real state: what the service is asked for, and as whom. */
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { Profiles } from '../../../fs-client/cache/profile.js';
import { Files } from '../../../fs-client/files.js';
import { ReplicatedFileSystem } from '../../../fs-client/filesystem.js';
import type { DirectoryWindow } from '../../../fs-client/kernel/kernel.js';
import type { Scope } from '../../../fs-client/mount-context.js';
import { findSubtree } from '../../../fs-client/subtree.js';
import { decodeOperation, type Operation } from '../../../src/fileservice/operations.js';
import { type Credentials, type Handle, ROOT_INO } from '../../../src/fileservice/types.js';
import { Driver, ROOT } from '../state/support.js';

const CALLER = { uid: 0, gid: 0, pid: 1 };
const log = pino({ level: 'silent' });

describe('a mount of a part', () => {
  let state: Driver;
  let a: Handle;
  let b: Handle;
  let asked: { credentials: Credentials; operation: Operation }[];
  let files: Files;
  /** What the kernel was told of, by its own numbers. */
  let told: number[];
  /** Replies to READDIR are not delivered before that. */
  let late: Promise<void>;

  beforeEach(() => {
    state = Driver.fresh();
    a = state.mkdir('a');
    b = state.mkdir('b', 0o755, ROOT, a);
    asked = [];
    told = [];
    late = Promise.resolve();
    const call = async (bytes: Uint8Array) => {
      const decoded = decodeOperation(bytes);
      asked.push(decoded);
      const result = state.execute(bytes);
      if (decoded.operation.op === 'readdir') await late;
      return result;
    };
    files = new Files({ call, close: async () => {} }, 1000, log);
  });

  const serve = (scope: Scope): ReplicatedFileSystem => {
    const fs = new ReplicatedFileSystem(files, Profiles.session, log, scope);
    const tell = async (ino: number) => void told.push(ino);
    fs.attached({
      invalidateAttributes: tell,
      invalidateData: tell,
      launderData: tell,
      invalidateEntry: (parent) => void told.push(parent),
      invalidateEntries: () => true,
    });
    return fs;
  };

  it('finds its directory', async () => {
    expect(await findSubtree(files, ROOT, [])).toMatchObject({ ino: ROOT_INO });
    expect(await findSubtree(files, ROOT, ['a', 'b'])).toEqual({ ino: b.ino, generation: b.generation });
    await expect(findSubtree(files, ROOT, ['a', 'c'])).rejects.toThrow(/^subdir \/a\/c does not exist/);
  });

  it('has the root of the kernel there, under no other number than 1', async () => {
    const fs = serve({ root: a });
    expect(await fs.lookup(CALLER, ROOT_INO, 'b')).toMatchObject({ errno: 0, attributes: { ino: b.ino } });
    expect(await fs.lookup(CALLER, ROOT_INO, 'a')).toMatchObject({ errno: 2 });
    expect(await fs.getattr(CALLER, ROOT_INO)).toMatchObject({ errno: 0, attributes: { ino: a.ino } });
    expect(asked.flatMap(({ operation }) => ('parent' in operation ? [operation.parent?.ino] : []))).toEqual([
      a.ino,
      a.ino,
    ]);
    expect(asked.some(({ operation }) => 'node' in operation && operation.node.ino === ROOT_INO)).toBe(false);
  });

  it('lists itself as what is above it, and tells the kernel by its number', async () => {
    const fs = serve({ root: b });
    state.create('gone', 0o644, ROOT, b);
    await fs.lookup(CALLER, ROOT_INO, 'gone');
    state.run('unlink', { parent: b, name: Buffer.from('gone'), retain: 0 });
    const opened = (await fs.opendir(CALLER, ROOT_INO)) as { fh: number };
    const { entries } = (await fs.readdir(opened.fh, 0)) as unknown as DirectoryWindow;
    expect(entries.map(({ name, attributes }) => [Buffer.from(name).toString(), attributes.ino])).toEqual([
      ['.', b.ino],
      ['..', b.ino],
    ]);
    expect(told).toEqual([ROOT_INO]);
  });

  it('does not take a name for gone that was made while an older listing was on its way', async () => {
    const fs = serve({});
    const opened = (await fs.opendir(CALLER, ROOT_INO)) as { fh: number };
    let deliver: () => void = () => {};
    late = new Promise((resolve) => {
      deliver = resolve;
    });
    const listing = fs.readdir(opened.fh, 0);
    expect(await fs.create(CALLER, ROOT_INO, 'new', 0o644, 2)).toMatchObject({ errno: 0 });
    deliver();
    await listing;
    expect(told).toEqual([]);
  });

  it('asks for everything as the one user that it was given', async () => {
    const fs = serve({ squash: { uid: 1000, gid: 100 } });
    state.chmod(a, 0o777);
    await fs.lookup(CALLER, ROOT_INO, 'a');
    await fs.getattr(CALLER, ROOT_INO);
    await fs.create({ uid: 5, gid: 5, pid: 1 }, a.ino, 'f', 0o644, 2);
    await fs.access(CALLER, a.ino, 2);
    await fs.statfs();
    expect(asked.length).toBeGreaterThan(4);
    const who = { uid: 1000, gid: 100, groups: [] };
    for (const { credentials, operation } of asked) expect([operation.op, credentials]).toEqual([operation.op, who]);
  });
});
