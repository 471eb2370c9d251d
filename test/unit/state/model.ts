/** A file system of plain objects, for one privileged user: what the real one must agree with. */

type File = { kind: 'file'; content: Buffer; nlink: number };
type Directory = { kind: 'directory'; entries: Map<string, Node>; parent: Directory };
export type Node = File | Directory;

export class ModelFs {
  readonly root: Directory;
  /** Inodes by the order in which they were made, as names of operands. */
  readonly made: Node[];

  constructor() {
    const root = { kind: 'directory', entries: new Map() } as unknown as Directory;
    root.parent = root;
    this.root = root;
    this.made = [root];
  }

  create(parent: Node, name: string): string {
    return this.add(parent, name, () => ({ kind: 'file', content: Buffer.alloc(0), nlink: 1 }));
  }

  mkdir(parent: Node, name: string): string {
    return this.add(parent, name, (in_) => ({ kind: 'directory', entries: new Map(), parent: in_ }));
  }

  link(node: Node, parent: Node, name: string): string {
    if (this.isGone(node)) return 'ESTALE';
    const refused = this.vacant(parent, name);
    if (refused !== 'ok') return refused;
    if (node.kind === 'directory') return 'EPERM';
    (parent as Directory).entries.set(name, node);
    node.nlink++;
    return 'ok';
  }

  unlink(parent: Node, name: string): string {
    const found = this.find(parent, name);
    if (typeof found === 'string') return found;
    if (found.kind === 'directory') return 'EISDIR';
    (parent as Directory).entries.delete(name);
    found.nlink--;
    return 'ok';
  }

  rmdir(parent: Node, name: string): string {
    const found = this.find(parent, name);
    if (typeof found === 'string') return found;
    if (found.kind !== 'directory') return 'ENOTDIR';
    if (found.entries.size > 0) return 'ENOTEMPTY';
    (parent as Directory).entries.delete(name);
    return 'ok';
  }

  rename(parent: Node, name: string, newParent: Node, newName: string, exchange: boolean): string {
    for (const directory of [parent, newParent]) {
      if (this.isGone(directory)) return 'ESTALE';
      if (directory.kind !== 'directory') return 'ENOTDIR';
    }
    const from = parent as Directory;
    const to = newParent as Directory;
    const source = from.entries.get(name);
    if (source === undefined) return 'ENOENT';
    const target = to.entries.get(newName);
    if (exchange && target === undefined) return 'ENOENT';
    if (this.isAbove(source, to)) return 'EINVAL';
    if (target !== undefined && this.isAbove(target, from)) return exchange ? 'EINVAL' : 'ENOTEMPTY';
    if (target === source) return 'ok';
    if (target !== undefined && !exchange) {
      if (source.kind === 'directory' && target.kind !== 'directory') return 'ENOTDIR';
      if (source.kind !== 'directory' && target.kind === 'directory') return 'EISDIR';
      if (target.kind === 'directory' && target.entries.size > 0) return 'ENOTEMPTY';
      if (target.kind === 'file') target.nlink--;
    }
    from.entries.delete(name);
    if (exchange) from.entries.set(name, target!);
    if (exchange && target!.kind === 'directory') target!.parent = from;
    to.entries.set(newName, source);
    if (source.kind === 'directory') source.parent = to;
    return 'ok';
  }

  write(node: Node, offset: number, data: Buffer, append: boolean): string {
    const refused = this.notFile(node);
    if (refused !== undefined) return refused;
    const file = node as File;
    if (append) offset = file.content.length;
    const content = Buffer.alloc(Math.max(file.content.length, data.length === 0 ? 0 : offset + data.length));
    file.content.copy(content);
    data.copy(content, offset);
    file.content = content;
    return 'ok';
  }

  truncate(node: Node, size: number): string {
    const refused = this.notFile(node);
    if (refused !== undefined) return refused;
    const content = Buffer.alloc(size);
    (node as File).content.copy(content);
    (node as File).content = content;
    return 'ok';
  }

  isGone(node: Node): boolean {
    if (node.kind === 'file') return node.nlink === 0;
    return node !== this.root && ![...node.parent.entries.values()].includes(node);
  }

  private notFile(node: Node): string | undefined {
    if (this.isGone(node)) return 'ESTALE';
    return node.kind === 'directory' ? 'EISDIR' : undefined;
  }

  private isAbove(ancestor: Node, directory: Directory): boolean {
    for (let at = directory; ; at = at.parent) {
      if (at === ancestor) return true;
      if (at === this.root) return false;
    }
  }

  private find(parent: Node, name: string): Node | string {
    if (this.isGone(parent)) return 'ESTALE';
    if (parent.kind !== 'directory') return 'ENOTDIR';
    return parent.entries.get(name) ?? 'ENOENT';
  }

  private vacant(parent: Node, name: string): string {
    const found = this.find(parent, name);
    if (typeof found !== 'string') return 'EEXIST';
    return found === 'ENOENT' ? 'ok' : found;
  }

  private add(parent: Node, name: string, make: (parent: Directory) => Node): string {
    const refused = this.vacant(parent, name);
    if (refused !== 'ok') return refused;
    const node = make(parent as Directory);
    (parent as Directory).entries.set(name, node);
    this.made.push(node);
    return 'ok';
  }
}
