/**
 * The order of this mount's own changes. The slots of a session may be executed in any order (DESIGN 3.6), so a change
 * is sent only when every earlier one that it does not commute with is over: answered, or, after its deadline, settled.
 * Mostly the kernel sees to it with its inode locks; but it lets go of a change that failed for want of an answer, or
 * whose caller was killed, while the service may execute it yet.
 */
import type { Operation } from '../../src/fileservice/operations.js';

/** Bytes `from` up to `to` of an inode; whatever depends on more than its own bytes touches all of them. */
export interface Touched {
  ino: number;
  from: number;
  to: number;
}

const all = ({ ino }: { ino: number }): Touched => ({ ino, from: 0, to: Number.POSITIVE_INFINITY });

/** What an operation changes, or, FSYNC, what must have been changed before it. */
export function touchedBy(operation: Operation): readonly Touched[] {
  switch (operation.op) {
    case 'write': {
      const { node, offset, data, append } = operation;
      return [append ? all(node) : { ino: node.ino, from: offset, to: offset + data.length }];
    }
    case 'setattr':
    case 'allocate':
    case 'fsync':
    case 'lock':
    case 'setxattr':
    case 'removexattr':
      return [all(operation.node)];
    case 'copy':
      return [all(operation.source), all(operation.node)];
    case 'rename':
      return [all(operation.parent), all(operation.newParent)];
    case 'create':
    case 'mkdir':
    case 'mknod':
    case 'symlink':
    case 'link':
    case 'unlink':
    case 'rmdir':
      return [all(operation.parent)];
    default:
      return [];
  }
}

interface Change {
  touched: readonly Touched[];
  /** Made for whoever waits first. */
  over: Promise<void> | undefined;
  finish: () => void;
}

export class ChangeOrder {
  /** By inode number, not by node: a change can outlive what the kernel remembers of its inode. */
  private readonly outstanding = new Map<number, Set<Change>>();

  /** Resolves when everything that is outstanding now and overlaps `touched` is over; undefined if nothing does. */
  ahead(touched: readonly Touched[]): Promise<unknown> | undefined {
    const ahead: Promise<void>[] = [];
    for (const part of touched) {
      for (const change of this.outstanding.get(part.ino) ?? []) {
        if (overlaps(change.touched, part)) ahead.push(whenOver(change));
      }
    }
    return ahead.length === 0 ? undefined : Promise.all(ahead);
  }

  /** A change of `touched` is outstanding until the function returned is called. */
  enter(touched: readonly Touched[]): () => void {
    const change: Change = { touched, over: undefined, finish: () => {} };
    for (const { ino } of touched) {
      const changes = this.outstanding.get(ino);
      if (changes === undefined) this.outstanding.set(ino, new Set([change]));
      else changes.add(change);
    }
    return () => this.leave(change);
  }

  private leave(change: Change): void {
    for (const { ino } of change.touched) {
      const changes = this.outstanding.get(ino);
      changes?.delete(change);
      if (changes?.size === 0) this.outstanding.delete(ino);
    }
    change.finish();
  }
}

function whenOver(change: Change): Promise<void> {
  change.over ??= new Promise((resolve) => {
    change.finish = resolve;
  });
  return change.over;
}

const overlaps = (touched: readonly Touched[], part: Touched): boolean =>
  touched.some(({ ino, from, to }) => ino === part.ino && from < part.to && part.from < to);
