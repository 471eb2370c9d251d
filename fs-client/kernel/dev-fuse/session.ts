/** Turns requests of the kernel into calls of the file system, and what those yield into replies. */
import type { Logger } from 'pino';
import { Errno } from '../../../src/fileservice/errno.js';
import type { EntryAnswer, FileSystem, LookupAnswer } from '../kernel.js';
import { OpenFlag } from '../open-flags.js';
import { terminated } from '../xattr-list.js';
import { Opcode, Size, Whence, WRITE_KILL_SUIDGID } from './abi.js';
import { Answers, type Send } from './answers.js';
import type { Channel } from './channel.js';
import { type Negotiable, negotiate } from './negotiation.js';
import { LISTING_BYTES } from './reply.js';
import { Request } from './request.js';

const sendEntry: Send<EntryAnswer> = (reply, answer) => reply.entry(answer);
const sendNothing: Send<unknown> = () => {};

export class Session extends Answers {
  /** What was agreed at INIT, for the log. */
  agreed = '';
  readonly requests = new Map<number, number>();
  /** Parses into itself again and again: nothing of it outlives the handler. */
  private request: Request | undefined;
  private requestBuffer: Buffer | undefined;

  constructor(
    channel: Channel,
    private readonly fs: FileSystem,
    private readonly features: Negotiable,
    log: Logger,
    private readonly onInitialized: (problem: string | undefined) => void,
  ) {
    super(channel, log);
  }

  /** One message of the kernel, at the start of `buffer`. */
  onRequest(buffer: Buffer, length: number): void {
    if (this.requestBuffer !== buffer) {
      this.requestBuffer = buffer;
      this.request = new Request(buffer);
    }
    const request = this.request!;
    if (!request.parse(length)) {
      this.log.error({ length }, 'not a FUSE request');
      return;
    }
    this.requests.set(request.opcode, (this.requests.get(request.opcode) ?? 0) + 1);
    this.dispatch(request);
  }

  private dispatch(r: Request): void {
    const { fs } = this;
    switch (r.opcode) {
      case Opcode.LOOKUP:
        this.lookup(r, fs.lookup(r.caller(), r.ino, r.name(0)));
        break;
      case Opcode.FORGET:
        fs.forget(r.ino, r.u64(0));
        break;
      case Opcode.BATCH_FORGET:
        this.batchForget(r);
        break;
      case Opcode.GETATTR:
        this.answer(r, fs.getattr(r.caller(), r.ino), (reply, a) => reply.attributes(a));
        break;
      case Opcode.ACCESS:
        this.answer(r, fs.access(r.caller(), r.ino, r.u32(0)), sendNothing);
        break;
      case Opcode.SETATTR: {
        const changes = r.attributeChanges();
        if (changes === undefined) {
          this.fail(r, Errno.EINVAL);
          break;
        }
        const answer = fs.setattr(r.caller(), r.ino, r.setattrFileHandle(), changes);
        this.answer(r, answer, (reply, a) => reply.attributes(a));
        break;
      }
      case Opcode.READLINK:
        this.answerData(r, fs.readlink(r.caller(), r.ino), (value) => value.target);
        break;
      case Opcode.SYMLINK: {
        const [name, target] = r.names(0);
        this.answer(r, fs.symlink(r.caller(), r.ino, name, target), sendEntry, this.forgetEntry);
        break;
      }
      case Opcode.MKNOD:
        this.answer(
          r,
          fs.mknod(r.caller(), r.ino, r.name(16), r.u32(0), r.u32(4), r.u32(8)),
          sendEntry,
          this.forgetEntry,
        );
        break;
      case Opcode.MKDIR:
        this.answer(r, fs.mkdir(r.caller(), r.ino, r.name(8), r.u32(0), r.u32(4)), sendEntry, this.forgetEntry);
        break;
      case Opcode.UNLINK:
        this.answer(r, fs.unlink(r.caller(), r.ino, r.name(0)), sendNothing);
        break;
      case Opcode.RMDIR:
        this.answer(r, fs.rmdir(r.caller(), r.ino, r.name(0)), sendNothing);
        break;
      case Opcode.RENAME: {
        const [name, newName] = r.names(8);
        this.answer(r, fs.rename(r.caller(), r.ino, name, r.u64(0), newName, 0), sendNothing);
        break;
      }
      case Opcode.RENAME2: {
        const [name, newName] = r.names(16);
        this.answer(r, fs.rename(r.caller(), r.ino, name, r.u64(0), newName, r.u32(8)), sendNothing);
        break;
      }
      case Opcode.LINK:
        this.answer(r, fs.link(r.caller(), r.u64(0), r.ino, r.name(8)), sendEntry, this.forgetEntry);
        break;
      case Opcode.OPEN:
        this.answer(
          r,
          fs.open(r.caller(), r.ino, r.u32(0)),
          (reply, a) => reply.open(a),
          (a) => fs.release(a.fh),
        );
        break;
      case Opcode.CREATE:
        this.answer(
          r,
          fs.create(r.caller(), r.ino, r.name(16), r.u32(4), r.u32(0), r.u32(8)),
          (reply, a) => reply.entry(a).open(a.open),
          (a) => {
            fs.release(a.open.fh);
            this.forgetEntry(a);
          },
        );
        break;
      case Opcode.READ:
        this.answerData(r, fs.read(r.u64(0), r.u64(8), r.u32(16)), (value) => value.data);
        break;
      case Opcode.WRITE:
        this.write(r);
        break;
      case Opcode.FALLOCATE:
        this.allocate(r);
        break;
      case Opcode.LSEEK:
        this.seek(r);
        break;
      case Opcode.COPY_FILE_RANGE:
        this.copy(r);
        break;
      case Opcode.STATFS:
        this.answer(r, fs.statfs(), (reply, value) => reply.statistics(value.statistics));
        break;
      case Opcode.RELEASE:
        fs.release(r.u64(0));
        this.succeed(r);
        break;
      case Opcode.FSYNC:
        this.answer(r, fs.fsync(r.u64(0)), sendNothing);
        break;
      case Opcode.FLUSH:
        this.answer(r, fs.flush(r.u64(0), r.lockOwner(16)), sendNothing);
        break;
      case Opcode.GETXATTR:
        this.answerSized(r, fs.getXattr(r.caller(), r.ino, r.name(Size.GETXATTR_IN), r.u32(0)), ({ value }) => value);
        break;
      case Opcode.LISTXATTR:
        this.answerSized(r, fs.listXattrs(r.caller(), r.ino), ({ names }) => terminated(names));
        break;
      case Opcode.SETXATTR:
        this.setXattr(r);
        break;
      case Opcode.REMOVEXATTR:
        this.answer(r, fs.removeXattr(r.caller(), r.ino, r.name(0)), sendNothing);
        break;
      case Opcode.GETLK:
        this.testLock(r);
        break;
      case Opcode.SETLK:
        this.setLock(r, undefined);
        break;
      case Opcode.SETLKW:
        this.setLock(r, new AbortController());
        break;
      case Opcode.OPENDIR:
        this.answer(r, fs.opendir(r.caller(), r.ino), (reply, value) =>
          reply.open({ fh: value.fh, keepCache: false, directIo: false, noFlush: false }),
        );
        break;
      case Opcode.READDIR:
        this.readdir(r, false);
        break;
      case Opcode.READDIRPLUS:
        this.readdir(r, true);
        break;
      case Opcode.RELEASEDIR:
        fs.releasedir(r.u64(0));
        this.succeed(r);
        break;
      case Opcode.FSYNCDIR:
        this.answer(r, fs.fsyncdir(r.u64(0)), sendNothing);
        break;
      case Opcode.INIT:
        this.init(r);
        break;
      case Opcode.INTERRUPT:
        this.pending.interrupt(r.u32(0), r.u32(4));
        break;
      case Opcode.DESTROY:
        this.succeed(r);
        break;
      case Opcode.NOTIFY_REPLY:
        break;
      default:
        // The kernel remembers ENOSYS and does not ask again: POLL, IOCTL, STATX: it has an answer or a fall-back for each.
        this.fail(r, Errno.ENOSYS);
        break;
    }
  }

  private init(r: Request): void {
    const { errno, agreed } = negotiate(r, this.channel.reply, this.features);
    this.agreed = agreed;
    this.channel.send(r.uniqueLow, r.uniqueHigh, errno);
    this.onInitialized(errno === 0 ? undefined : agreed);
  }

  private batchForget(r: Request): void {
    const count = Math.min(r.u32(0), (r.bodyLength - 8) / 16);
    for (let i = 0; i < count; i++) this.fs.forget(r.u64(8 + i * 16), r.u64(16 + i * 16));
  }

  private write(r: Request): void {
    const size = r.u32(16);
    const openFlags = r.u32(32);
    const answer = this.fs.write(r.u64(0), r.u64(8), r.data(Size.WRITE_IN, size), {
      append: (openFlags & OpenFlag.APPEND) !== 0,
      synchronous: (openFlags & OpenFlag.DSYNC) !== 0,
      killPrivileges: (r.u32(20) & WRITE_KILL_SUIDGID) !== 0,
    });
    this.answer(r, answer, (reply) => reply.written(size));
  }

  /** fuse_fallocate_in */
  private allocate(r: Request): void {
    const interrupted = new AbortController();
    const answer = this.fs.allocate(r.caller(), r.u64(0), r.u32(24), r.u64(8), r.u64(16), interrupted.signal);
    this.answer(r, answer, sendNothing, undefined, interrupted);
  }

  /** fuse_lseek_in. A negative offset comes as one beyond any file. */
  private seek(r: Request): void {
    const whence = r.u32(16);
    if (whence !== Whence.DATA && whence !== Whence.HOLE) return this.fail(r, Errno.EINVAL);
    const answer = this.fs.seek(r.u64(0), r.u64(8), whence === Whence.DATA ? 'data' : 'hole');
    this.answer(r, answer, (reply, { offset }) => reply.offset(offset));
  }

  /** fuse_copy_file_range_in */
  private copy(r: Request): void {
    const [sourceFh, sourceOffset, fh, offset, length] = [r.u64(0), r.u64(8), r.u64(24), r.u64(32), r.u64(40)];
    const answer = this.fs.copy(r.caller(), fh, offset, sourceFh, sourceOffset, length);
    this.answer(r, answer, (reply, copied) => reply.written(copied.length));
  }

  private setXattr(r: Request): void {
    const [size, flags, name] = [r.u32(0), r.u32(4), r.name(Size.SETXATTR_IN)];
    const value = r.data(Size.SETXATTR_IN + name.length + 1, size);
    this.answer(r, this.fs.setXattr(r.caller(), r.ino, name, value, flags), sendNothing);
  }

  private testLock(r: Request): void {
    const lock = r.lock();
    if (lock === undefined) return this.fail(r, Errno.EINVAL);
    this.answer(r, this.fs.testLock(r.u64(0), lock), (reply, { conflict }) => reply.lock(conflict));
  }

  /** @param wait aborted if the caller gets a signal */
  private setLock(r: Request, wait: AbortController | undefined): void {
    const lock = r.lock();
    if (lock === undefined) return this.fail(r, Errno.EINVAL);
    const fh = r.u64(0);
    const undo = (): void => void this.fs.setLock(fh, { ...lock, type: 'unlock' }, undefined);
    this.answer(r, this.fs.setLock(fh, lock, wait?.signal), sendNothing, undo, wait);
  }

  private lookup(r: Request, answer: LookupAnswer | Promise<LookupAnswer>): void {
    const send = (result: LookupAnswer, low: number, high: number) => {
      const { reply } = this.channel;
      const absentMs = 'absentMs' in result ? result.absentMs : undefined;
      if (result.errno === 0) reply.begin().entry(result as EntryAnswer);
      else if (absentMs !== undefined) reply.begin().absent(absentMs);
      this.channel.send(low, high, absentMs === undefined ? result.errno : 0);
    };
    this.pending.settle(r, answer, send, (result) => 'attributes' in result && this.forgetEntry(result));
  }

  /** The kernel was answered otherwise, and so holds no reference. */
  private readonly forgetEntry = ({ attributes }: EntryAnswer): void => this.fs.forget(attributes.ino, 1);

  private readdir(r: Request, plus: boolean): void {
    const fh = r.u64(0);
    const cookie = r.u64(8);
    const limit = Math.min(r.u32(16), LISTING_BYTES);
    this.answer(r, this.fs.readdir(fh, cookie), (reply, { entries, first }) => {
      for (let i = first; i < entries.length; i++) {
        const entry = entries[i];
        if (!reply.fits(entry.name, plus, limit)) break;
        if (plus) reply.directoryEntryPlus(entry, this.fs.adopt(fh, entry));
        else reply.directoryEntry(entry);
      }
    });
  }
}
