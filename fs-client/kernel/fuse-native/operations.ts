/**
 * The package's operations, by path, on the file system's, by inode. Everything is asked for on behalf of who mounts:
 * the package does not say who calls, and without `allow_other` the kernel lets nobody else in.
 *
 * Left out, so that the kernel has its own way: `create`, which does not say how the file is opened (the kernel makes and
 * then opens it).
 */
import type { Logger } from 'pino';
import { Errno } from '../../../src/fileservice/errno.js';
import { isRegular } from '../../../src/fileservice/types.js';
import type {
  Answer,
  AttributeChanges,
  AttributesAnswer,
  Caller,
  EntryAnswer,
  FileSystem,
  Outcome,
} from '../kernel.js';
import { OpenFlag } from '../open-flags.js';
import { Creations } from './creations.js';
import { Handles } from './handles.js';
import { listing } from './listing.js';
import { EILSEQ, fromBytes, isExpressible, toLatin1 } from './names.js';
import type { Done, Operations } from './package.js';
import { statfsOf, statOf } from './stat.js';
import { Walk } from './walk.js';
import { Xattrs } from './xattrs.js';

/** As the binding has "leave it as it is" of chown(2). */
const UNCHANGED = 0xffff_ffff;

/** A name may be replaced between the walk and OPEN: the kernel would walk again too. */
const OPEN_ATTEMPTS = 4;

const BAD_HANDLE = { errno: Errno.EBADF } as const;
const AMBIGUOUS = { errno: Errno.ESTALE } as const;

/** @param requests counts them, by the kernel's name for them */
export function operationsOn(
  fs: FileSystem,
  caller: Caller,
  log: Logger,
  requests: Record<string, number>,
): Operations {
  const walk = new Walk(fs, caller);
  const handles = new Handles();
  const creations = new Creations(fs);

  /** Answers with what `work` comes to. An exception would leave the caller waiting for ever. */
  async function answer<T>(
    request: string,
    work: () => Answer<T>,
    done: (result: number, value?: T) => void,
  ): Promise<void> {
    requests[request] = (requests[request] ?? 0) + 1;
    let outcome: Outcome<T>;
    try {
      outcome = await work();
    } catch (error) {
      // Ours, not the caller's: as everywhere, it ends the process.
      log.fatal({ err: error, request }, 'a broken invariant');
      setImmediate(() => {
        throw error;
      });
      return;
    }
    if (outcome.errno === 0) done(0, outcome as { errno: 0 } & T);
    else done(-outcome.errno);
  }

  const simply = (request: string, work: () => Answer, done: Done) => answer(request, work, (result) => done(result));

  /** A call on an inode that was named by path, perhaps in truth by descriptor. */
  const named = <T>(path: string, use: (ino: number) => Answer<T>): Promise<Outcome<T>> =>
    walk.to<T>(path, (ino) => (handles.ambiguous(path, ino) ? AMBIGUOUS : use(ino)));

  const xattrs = new Xattrs(fs, caller, named);

  const change = (path: string, changes: AttributeChanges) =>
    named(path, (ino) => fs.setattr(caller, ino, undefined, changes));

  async function getattr(path: string) {
    const answered = await named(path, (ino) => fs.getattr(caller, ino));
    return 'attributes' in answered ? statOf(answered.attributes) : answered;
  }

  const made = async (path: string, make: (parent: number, name: string) => Answer<EntryAnswer>): Promise<Outcome> => {
    if (handles.occupied(path)) return AMBIGUOUS;
    return walk.toParent(path, async (parent, name) => {
      const entry = await make(parent, name);
      if ('attributes' in entry) walk.made(entry.attributes.ino);
      return entry;
    });
  };

  /** open(2) of a new file comes as MKNOD and then OPEN, which must succeed whatever the new file's mode. */
  const makeRegular = (path: string, mode: number) =>
    made(path, async (parent, name) => {
      const entry = await fs.create(caller, parent, name, mode, OpenFlag.READ_WRITE | OpenFlag.EXCLUSIVE);
      if ('open' in entry) creations.add(path, entry.attributes.ino, entry.open.fh);
      return entry;
    });

  async function open(path: string, flags: number): Promise<Outcome<{ id: number }>> {
    const handle = {
      directory: false,
      append: (flags & OpenFlag.APPEND) !== 0,
      synchronous: (flags & OpenFlag.DSYNC) !== 0,
    };
    let opened: Outcome<{ id: number }> = AMBIGUOUS;
    for (let attempt = 0; attempt < OPEN_ATTEMPTS && opened.errno === Errno.ESTALE; attempt++) {
      opened = await named(path, async (ino) => {
        const created = creations.take(path, ino);
        const file = created === undefined ? await fs.open(caller, ino, flags) : { errno: 0, fh: created };
        return 'fh' in file ? { errno: 0, id: handles.add(path, { fh: file.fh, ino, ...handle }) } : file;
      });
    }
    return opened;
  }

  async function opendir(path: string): Promise<Outcome<{ id: number }>> {
    return named(path, async (ino) => {
      const stream = await fs.opendir(caller, ino);
      const handle = { ino, directory: true, append: false, synchronous: false };
      return 'fh' in stream ? { errno: 0, id: handles.add(path, { fh: stream.fh, ...handle }) } : stream;
    });
  }

  async function read(id: number, buffer: Buffer, length: number, offset: number): Promise<Outcome<{ bytes: number }>> {
    const handle = handles.get(id);
    if (handle === undefined) return BAD_HANDLE;
    const result = await fs.read(handle.fh, offset, length);
    if (!('data' in result)) return result;
    buffer.set(result.data);
    return { errno: 0, bytes: result.data.length };
  }

  function write(id: number, buffer: Buffer, length: number, offset: number): Answer {
    const handle = handles.get(id);
    if (handle === undefined) return BAD_HANDLE;
    const { append, synchronous } = handle;
    // Nobody tells whether the writer may keep set-user-ID bits: whoever is not root may not.
    const flags = { append, synchronous, killPrivileges: caller.uid !== 0 };
    const written = fs.write(handle.fh, offset, buffer.subarray(0, length), flags);
    return synchronous ? thenSync(handle.fh, written) : written;
  }

  /** The kernel does so itself only after writes through its page cache. */
  async function thenSync(fh: number, written: Answer): Promise<Outcome> {
    const outcome = await written;
    return outcome.errno === 0 ? fs.fsync(fh) : outcome;
  }

  const onHandle = (id: number, use: (fh: number) => Answer): Answer => {
    const handle = handles.get(id);
    return handle === undefined ? BAD_HANDLE : use(handle.fh);
  };

  function release(id: number, closed: (fh: number) => void): Outcome {
    const handle = handles.take(id);
    if (handle !== undefined) closed(handle.fh);
    return { errno: 0 };
  }

  /** libfuse then asks for the attributes by path, and fails if they are none: better before anything was changed. */
  function truncateOpen(path: string, id: number, size: number): Answer {
    const handle = handles.get(id);
    if (handle === undefined) return BAD_HANDLE;
    return named<AttributesAnswer>(path, (ino) =>
      ino === handle.ino ? fs.setattr(caller, ino, handle.fh, { size }) : AMBIGUOUS,
    );
  }

  async function rename(from: string, to: string): Promise<Outcome> {
    if (handles.occupied(to)) return AMBIGUOUS;
    const outcome = await walk.toParent(from, (parent, name) =>
      walk.toParent(to, (newParent, newName) => fs.rename(caller, parent, name, newParent, newName, 0)),
    );
    if (outcome.errno === 0) handles.renamed(from, to);
    return outcome;
  }

  async function removed(path: string, remove: (parent: number, name: string) => Answer): Promise<Outcome> {
    const outcome = await walk.toParent(path, remove);
    if (outcome.errno === 0) handles.removed(path);
    return outcome;
  }

  async function readlink(path: string): Promise<Outcome<{ text: string }>> {
    const link = await named(path, (ino) => fs.readlink(caller, ino));
    if (!('target' in link)) return link;
    const text = fromBytes(link.target);
    return text === undefined ? { errno: EILSEQ } : { errno: 0, text };
  }

  const symlink = (target: string, path: string): Answer =>
    isExpressible(target)
      ? made(path, (parent, name) => fs.symlink(caller, parent, name, toLatin1(target)))
      : { errno: EILSEQ };

  return {
    getattr: (path, done) =>
      answer(
        'GETATTR',
        () => getattr(path),
        (result, value) => done(result, value?.stat),
      ),
    statfs: (_, done) =>
      answer(
        'STATFS',
        () => fs.statfs(),
        (result, value) => done(result, value && statfsOf(value.statistics)),
      ),
    readlink: (path, done) =>
      answer(
        'READLINK',
        () => readlink(path),
        (result, value) => done(result, value?.text),
      ),
    readdir: (path, done) =>
      answer(
        'READDIR',
        () => named(path, (ino) => listing(fs, caller, ino)),
        (result, value) => done(result, value?.names, value?.stats),
      ),
    open: (path, flags, done) =>
      answer(
        'OPEN',
        () => open(path, flags),
        (result, value) => done(result, value?.id),
      ),
    opendir: (path, _, done) =>
      answer(
        'OPENDIR',
        () => opendir(path),
        (result, value) => done(result, value?.id),
      ),
    read: (_, id, buffer, length, offset, done) =>
      answer(
        'READ',
        () => read(id, buffer, length, offset),
        (result, value) => done(value?.bytes ?? result),
      ),
    write: (_, id, buffer, length, offset, done) =>
      answer(
        'WRITE',
        () => write(id, buffer, length, offset),
        (result) => done(result === 0 ? length : result),
      ),
    flush: (_, id, done) => simply('FLUSH', () => onHandle(id, (fh) => fs.flush(fh)), done),
    fsync: (_, _datasync, id, done) => simply('FSYNC', () => onHandle(id, (fh) => fs.fsync(fh)), done),
    fsyncdir: (_, _datasync, id, done) => simply('FSYNCDIR', () => onHandle(id, (fh) => fs.fsyncdir(fh)), done),
    release: (_, id, done) => simply('RELEASE', () => release(id, (fh) => fs.release(fh)), done),
    releasedir: (_, id, done) => simply('RELEASEDIR', () => release(id, (fh) => fs.releasedir(fh)), done),
    truncate: (path, size, done) => simply('SETATTR', () => change(path, { size }), done),
    ftruncate: (path, id, size, done) => simply('SETATTR', () => truncateOpen(path, id, size), done),
    // The binding passes atime twice: mtime would be set to something else than was asked for.
    utimens: (_, _atime, _atimeAgain, done) => simply('SETATTR', () => ({ errno: Errno.EOPNOTSUPP }), done),
    chown: (path, uid, gid, done) => simply('SETATTR', () => change(path, ownersOf(uid, gid)), done),
    chmod: (path, mode, done) => simply('SETATTR', () => change(path, { mode: mode & 0o7777 }), done),
    getxattr: (path, name, room, done) =>
      answer(
        'GETXATTR',
        () => xattrs.get(path, name, room),
        (result, value) => done(value?.bytes ?? result),
      ),
    listxattr: (path, room, done) =>
      answer(
        'LISTXATTR',
        () => xattrs.list(path, room),
        (result, value) => done(value?.bytes ?? result),
      ),
    setxattr: (path, name, value, _, flags, done) =>
      simply('SETXATTR', () => xattrs.set(path, name, value, flags), done),
    removexattr: (path, name, done) => simply('REMOVEXATTR', () => xattrs.remove(path, name), done),
    mknod: (path, mode, rdev, done) =>
      simply(
        'MKNOD',
        () =>
          isRegular(mode)
            ? makeRegular(path, mode)
            : made(path, (parent, name) => fs.mknod(caller, parent, name, mode, rdev)),
        done,
      ),
    mkdir: (path, mode, done) =>
      simply('MKDIR', () => made(path, (parent, name) => fs.mkdir(caller, parent, name, mode)), done),
    symlink: (target, path, done) => simply('SYMLINK', () => symlink(target, path), done),
    link: (from, to, done) =>
      simply('LINK', () => named(from, (ino) => made(to, (parent, name) => fs.link(caller, ino, parent, name))), done),
    rename: (from, to, done) => simply('RENAME', () => rename(from, to), done),
    unlink: (path, done) =>
      simply('UNLINK', () => removed(path, (parent, name) => fs.unlink(caller, parent, name)), done),
    rmdir: (path, done) => simply('RMDIR', () => removed(path, (parent, name) => fs.rmdir(caller, parent, name)), done),
  };
}

function ownersOf(uid: number, gid: number): AttributeChanges {
  return { ...(uid !== UNCHANGED && { uid }), ...(gid !== UNCHANGED && { gid }) };
}
