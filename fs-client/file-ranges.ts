/** Calls on ranges of open files that move no data through the mount: fallocate(2), lseek(2), copy_file_range(2). */
import { Errno } from '../src/fileservice/errno.js';
import { AllocateMode, type OperationOf } from '../src/fileservice/operations.js';
import type { Failure, Results } from '../src/fileservice/results.js';
import { FileLimits } from '../src/fileservice/types.js';
import { assert } from '../src/limits.js';
import { LOST } from './cache/sync-record.js';
import { sameCredentials } from './credentials.js';
import { type Caller, DONE, type Outcome } from './kernel/kernel.js';
import type { MountContext } from './mount-context.js';
import type { OpenFile } from './open-file.js';

/** Not in one operation: the kernel does it by READ and WRITE, each with the rights of its own file. */
const COPY_BY_HAND: Failure = { errno: Errno.EXDEV };

export class FileRanges {
  constructor(private readonly context: MountContext) {}

  /** @param interrupted ends it with EINTR; what is done by then stays done */
  async allocate(
    caller: Caller,
    file: OpenFile,
    mode: number,
    offset: number,
    length: number,
    interrupted: AbortSignal,
  ): Promise<Outcome> {
    if (offset + length > FileLimits.fileBytes) {
      if ((mode & AllocateMode.PUNCH_HOLE) === 0) return { errno: Errno.EFBIG };
      // No file has anything there.
      if (offset >= FileLimits.fileBytes) return DONE;
      length = FileLimits.fileBytes - offset;
    }
    const { files } = this.context;
    const { node } = file;
    const failed = file.takeFailure() ?? (await this.context.writeBack(node));
    if (failed !== undefined) return failed;
    const { sessionsLost } = files;
    const killPrivileges = mayLosePrivileges(caller);
    for (const end = offset + length; offset < end; ) {
      if (interrupted.aborted) return { errno: Errno.EINTR };
      const rest = { offset, length: end - offset };
      const result = await this.change(file, { op: 'allocate', node, mode, ...rest, killPrivileges });
      if (!('length' in result)) return result;
      if (sessionsLost !== files.sessionsLost) return LOST;
      assert(result.length > 0, 'an allocation gets on');
      offset += result.length;
    }
    return DONE;
  }

  /** Bytes copied: fewer than asked for if that is more than one operation does. */
  async copy(
    caller: Caller,
    file: OpenFile,
    offset: number,
    source: OpenFile,
    sourceOffset: number,
    length: number,
  ): Promise<Outcome<{ length: number }>> {
    if (!sameCredentials(file.credentials, source.credentials)) return COPY_BY_HAND;
    if (offset >= FileLimits.fileBytes) return { errno: Errno.EFBIG };
    if (sourceOffset >= FileLimits.fileBytes) return { errno: 0, length: 0 };
    const { node } = file;
    const failed =
      file.takeFailure() ??
      (await this.context.writeBack(source.node)) ??
      (source.node === node ? undefined : await this.context.writeBack(node));
    if (failed !== undefined) return failed;
    const killPrivileges = mayLosePrivileges(caller);
    const from = { source: source.node, sourceOffset };
    const most = Math.min(length, FileLimits.ioBytes);
    const result = await this.change(file, { op: 'copy', ...from, node, offset, length: most, killPrivileges });
    return 'length' in result ? { errno: 0, length: result.length } : result;
  }

  private async change<O extends OperationOf<'allocate' | 'copy'>>(
    file: OpenFile,
    operation: O,
  ): Promise<Failure | Results[O['op']]> {
    const { node } = file;
    const until = this.context.freshUntil();
    const result = await this.context.files.perform(file.credentials, operation);
    if (!('attributes' in result)) {
      node.expire();
      return result;
    }
    if (operation.op === 'copy' && result.length === 0) node.learn(result.attributes, until);
    else {
      node.learnOwn(result.attributes, until);
      node.sync.changed();
    }
    return result;
  }

  /**
   * SEEK_DATA, SEEK_HOLE.
   * @param mayBeMapped somebody may have written to pages of the file that the kernel has not sent. It does not send
   *   them for LSEEK, so whoever skips what looks like a hole would lose them: they are called in first.
   */
  async seek(
    file: OpenFile,
    offset: number,
    what: 'data' | 'hole',
    mayBeMapped: boolean,
  ): Promise<Outcome<{ offset: number }>> {
    if (offset >= FileLimits.fileBytes) return { errno: Errno.ENXIO };
    const found = await this.ask(file, offset, what);
    if (!mayBeMapped || !tellsOfHole(found, what, offset)) return found;
    await this.context.notifier.launderData(file.node.ino);
    return this.ask(file, offset, what);
  }

  private async ask({ node, credentials }: OpenFile, offset: number, what: 'data' | 'hole') {
    await this.context.writes.flush(node);
    for (;;) {
      const until = this.context.freshUntil();
      const result = await this.context.files.perform(credentials, { op: 'seek', node, offset, what });
      if (!('attributes' in result)) return result;
      node.learn(result.attributes, until);
      if (result.complete) return result;
      assert(result.offset > offset, 'a search gets on');
      offset = result.offset;
    }
  }
}

/** Whoever has no CAP_FSETID: taken to be everybody but root. The kernel leaves it to us, and does not say. */
const mayLosePrivileges = ({ uid }: Caller): boolean => uid !== 0;

function tellsOfHole(found: Failure | Results['seek'], what: 'data' | 'hole', offset: number): boolean {
  if (!('attributes' in found)) return found.errno === Errno.ENXIO;
  return found.offset !== (what === 'data' ? offset : found.attributes.size);
}
