/** From paths to inodes, by lookups from the root, which the file system answers from its memory where it may. */
import type { Failure } from '../../../src/fileservice/results.js';
import { ROOT_INO } from '../../../src/fileservice/types.js';
import type { Answer, Caller, FileSystem, Outcome } from '../kernel.js';
import { componentsOf, EILSEQ, isExpressible } from './names.js';

/** Inodes that stay referenced when no call uses them, so that what is known of them is not forgotten at once. */
const KEPT = 16_384;

interface Reference {
  /** Lookups the file system has counted. */
  lookups: number;
  /** Calls that use the inode now. */
  uses: number;
}

export class Walk {
  /** The one used last comes last. */
  private readonly references = new Map<number, Reference>();

  constructor(
    private readonly fs: FileSystem,
    private readonly caller: Caller,
  ) {}

  /** Calls `use` with the inode of a path, which stays known for as long as that takes. */
  async to<T>(path: string, use: (ino: number) => Answer<T>): Promise<Outcome<T>> {
    if (!isExpressible(path)) return { errno: EILSEQ };
    return this.along(componentsOf(path), use);
  }

  /** Calls `use` with the inode of the directory that a path's last name is in, and that name. */
  async toParent<T>(path: string, use: (parent: number, name: string) => Answer<T>): Promise<Outcome<T>> {
    if (!isExpressible(path)) return { errno: EILSEQ };
    const names = componentsOf(path);
    const name = names.pop() ?? '';
    return this.along(names, (parent) => use(parent, name));
  }

  /** An inode that a call returned was referenced by that. */
  made(ino: number): void {
    this.hold(ino);
    this.letGo(ino);
  }

  private async along<T>(names: readonly string[], use: (ino: number) => Answer<T>): Promise<Outcome<T>> {
    let ino = ROOT_INO;
    for (const name of names) {
      const next = await this.step(ino, name);
      if (ino !== ROOT_INO) this.letGo(ino);
      if (!('ino' in next)) return next;
      ino = next.ino;
    }
    const outcome = await use(ino);
    if (ino !== ROOT_INO) this.letGo(ino);
    return outcome;
  }

  private async step(parent: number, name: string): Promise<Failure | { ino: number }> {
    const answer = await this.fs.lookup(this.caller, parent, name);
    if (!('attributes' in answer)) return { errno: answer.errno };
    const { ino } = answer.attributes;
    this.hold(ino);
    return { ino };
  }

  private hold(ino: number): void {
    const reference = this.references.get(ino) ?? { lookups: 0, uses: 0 };
    reference.lookups++;
    reference.uses++;
    this.references.delete(ino);
    this.references.set(ino, reference);
  }

  private letGo(ino: number): void {
    const reference = this.references.get(ino);
    if (reference !== undefined) reference.uses--;
    if (this.references.size <= KEPT) return;
    for (const [old, { lookups, uses }] of this.references) {
      if (uses > 0) continue;
      this.references.delete(old);
      this.fs.forget(old, lookups);
      return;
    }
  }
}
