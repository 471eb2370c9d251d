import fc from 'fast-check';
import { type Operation, RenameFlag } from '../../../src/fileservice/operations.js';
import { type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { bytes } from './support.js';

/** Nodes are meant by the order in which they were made: 0 is the root. */
export type Step =
  | { op: 'create' | 'mkdir' | 'unlink' | 'rmdir'; parent: number; name: string }
  | { op: 'link'; node: number; parent: number; name: string }
  | { op: 'rename'; parent: number; name: string; newParent: number; newName: string; exchange: boolean }
  | { op: 'write'; node: number; offset: number; length: number; fill: number; append: boolean }
  | { op: 'truncate'; node: number; size: number };

const node = fc.nat(7);
const name = fc.constantFrom('a', 'b', 'c');
const BLOCK = 32 * 1024;
/** Near the edges of blocks, where mistakes are made. */
const offset = fc
  .tuple(fc.nat(20), fc.integer({ min: -3, max: 3 }))
  .map(([block, delta]) => Math.max(0, block * BLOCK + delta));

export const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    op: fc.constantFrom('create' as const, 'mkdir', 'create', 'mkdir', 'unlink', 'rmdir'),
    parent: node,
    name,
  }),
  fc.record({ op: fc.constant('link' as const), node, parent: node, name }),
  fc.record({
    op: fc.constant('rename' as const),
    parent: node,
    name,
    newParent: node,
    newName: name,
    exchange: fc.boolean(),
  }),
  fc.record({
    op: fc.constant('write' as const),
    node,
    offset,
    length: fc.constantFrom(0, 1, 5, 4096, BLOCK, 2 * BLOCK + 7),
    fill: fc.constantFrom(0, 1, 255),
    append: fc.boolean(),
  }),
  fc.record({ op: fc.constant('truncate' as const), node, size: offset }),
);

/** The operation, given that the i-th node made is inode i + 1; nodes not made yet are unknown inodes. */
export function operation(s: Step): Operation {
  const handle = (index: number): Handle => ({ ino: ROOT_HANDLE.ino + index, generation: 1 });
  switch (s.op) {
    case 'create':
      return {
        op: 'create',
        parent: handle(s.parent),
        name: bytes(s.name),
        mode: 0o644,
        exclusive: true,
        truncate: false,
        access: 0,
      };
    case 'mkdir':
      return { op: 'mkdir', parent: handle(s.parent), name: bytes(s.name), mode: 0o755 };
    case 'unlink':
      return { op: 'unlink', parent: handle(s.parent), name: bytes(s.name), retain: 0 };
    case 'rmdir':
      return { op: 'rmdir', parent: handle(s.parent), name: bytes(s.name) };
    case 'link':
      return { op: 'link', node: handle(s.node), parent: handle(s.parent), name: bytes(s.name) };
    case 'rename':
      return {
        op: 'rename',
        parent: handle(s.parent),
        name: bytes(s.name),
        newParent: handle(s.newParent),
        newName: bytes(s.newName),
        flags: s.exchange ? RenameFlag.EXCHANGE : 0,
        retain: 0,
      };
    case 'write': {
      const data = Buffer.alloc(s.length, s.fill);
      return { op: 'write', node: handle(s.node), offset: s.offset, append: s.append, killPrivileges: false, data };
    }
    case 'truncate':
      return { op: 'setattr', node: handle(s.node), size: s.size };
  }
}
