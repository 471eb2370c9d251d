/** Calls on extended attributes: answered from memory where it is known that there are none, which is nearly always. */
import { Errno } from '../src/fileservice/errno.js';
import type { Failure } from '../src/fileservice/results.js';
import type { Node } from './cache/node.js';
import { type Answer, type Caller, DONE, type Outcome } from './kernel/kernel.js';
import { type MountContext, STALE } from './mount-context.js';
import { bytesOf } from './namespace.js';

const ABSENT: Failure = { errno: Errno.ENODATA };

/**
 * The kernel asks for it before it writes to a file, lest a program keep privileges that it had. The service drops it
 * with every such change, whatever the kernel was told, so here what is known need not be fresh.
 */
const CAPABILITY = 'security.capability';

export class Xattrs {
  constructor(private readonly context: MountContext) {}

  get(caller: Caller, ino: number, name: string): Answer<{ value: Uint8Array }> {
    const node = this.context.nodes.get(ino);
    if (node === undefined) return STALE;
    if (this.hasNone(node, name === CAPABILITY)) return ABSENT;
    return this.ask(caller, node, name);
  }

  private async ask(caller: Caller, node: Node, name: string): Promise<Outcome<{ value: Uint8Array }>> {
    const { files, credentials } = this.context;
    return files.perform(credentials.of(caller), { op: 'getxattr', node, name: bytesOf(name) }) as Promise<
      Outcome<{ value: Uint8Array }>
    >;
  }

  list(caller: Caller, ino: number): Answer<{ names: readonly Uint8Array[] }> {
    const { nodes, files, credentials } = this.context;
    const node = nodes.get(ino);
    if (node === undefined) return STALE;
    if (this.hasNone(node, false)) return { errno: 0, names: [] };
    return files.perform(credentials.of(caller), { op: 'listxattr', node }) as Promise<
      Outcome<{ names: readonly Uint8Array[] }>
    >;
  }

  private hasNone({ attributes, attributesUntil, removed }: Node, whenever: boolean): boolean {
    if (removed) return true;
    return attributes !== undefined && !attributes.hasXattrs && (whenever || attributesUntil > performance.now());
  }

  set(caller: Caller, ino: number, name: string, value: Uint8Array, flags: number): Answer {
    return this.change(caller, ino, { op: 'setxattr', name: bytesOf(name), value: Buffer.from(value), flags });
  }

  remove(caller: Caller, ino: number, name: string): Answer {
    return this.change(caller, ino, { op: 'removexattr', name: bytesOf(name) });
  }

  private async change(
    caller: Caller,
    ino: number,
    operation: { op: 'setxattr'; name: Buffer; value: Buffer; flags: number } | { op: 'removexattr'; name: Buffer },
  ): Promise<Outcome> {
    const { nodes, files, credentials } = this.context;
    const node = nodes.get(ino);
    if (node === undefined) return STALE;
    // Held data would drop a capability that is set after it was written.
    const lost = await this.context.writeBack(node);
    if (lost !== undefined) return lost;
    const until = this.context.freshUntil();
    const result = await files.perform(credentials.of(caller), { ...operation, node });
    if (!('attributes' in result)) {
      node.expire();
      return result;
    }
    node.learnOwn(result.attributes, until);
    node.sync.changed();
    return DONE;
  }
}
