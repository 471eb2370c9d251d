/** Calls on extended attributes: answered from memory where it is known that there are none, which is nearly always. */
import { Errno } from '../src/fileservice/errno.js';
import type { Failure } from '../src/fileservice/results.js';
import { xattrNameError } from '../src/fileservice/xattr-names.js';
import type { Node } from './cache/node.js';
import { type Answer, type Caller, DONE, type Outcome } from './kernel/kernel.js';
import { type MountContext, STALE } from './mount-context.js';
import { bytesOf } from './namespace.js';

const ABSENT: Failure = { errno: Errno.ENODATA };

/**
 * Before it writes to a file the kernel asks how long this is, lest a program keep privileges that it had
 * (cap_inode_need_killpriv). The service drops it with every such change, whatever the kernel was told: so what is known
 * need not be fresh for that question. Whoever wants the value, as exec does, is told the truth.
 */
const CAPABILITY = 'security.capability';

export class Xattrs {
  constructor(private readonly context: MountContext) {}

  get(caller: Caller, ino: number, name: string, room: number): Answer<{ value: Uint8Array }> {
    const node = this.context.nodes.get(ino);
    if (node === undefined) return STALE;
    const wrong = xattrNameError(name);
    if (wrong !== undefined) return { errno: wrong };
    if (this.hasNone(node, name === CAPABILITY && room === 0)) return ABSENT;
    return this.ask(caller, node, name);
  }

  private async ask(caller: Caller, node: Node, name: string): Promise<Outcome<{ value: Uint8Array }>> {
    const { writes, files, credentials } = this.context;
    const who = credentials.of(caller);
    // Held data would have dropped it.
    if (name === CAPABILITY) await writes.flush(node);
    return files.perform(who, { op: 'getxattr', node, name: bytesOf(name) });
  }

  list(caller: Caller, ino: number): Answer<{ names: readonly Uint8Array[] }> {
    const node = this.context.nodes.get(ino);
    if (node === undefined) return STALE;
    return this.hasNone(node, false) ? { errno: 0, names: [] } : this.askForNames(caller, node);
  }

  private async askForNames(caller: Caller, node: Node): Promise<Outcome<{ names: readonly Uint8Array[] }>> {
    const { writes, files, credentials } = this.context;
    const who = credentials.of(caller);
    await writes.flush(node);
    return files.perform(who, { op: 'listxattr', node });
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

  /** @param whenever that was seen: it need not be fresh */
  private hasNone({ attributes, attributesUntil, removed }: Node, whenever: boolean): boolean {
    if (removed) return true;
    return attributes !== undefined && !attributes.hasXattrs && (whenever || this.context.isFresh(attributesUntil));
  }
}
