/** Where the nodes of a tree are: in memory here, in a database elsewhere. */
import type { Octets } from './octets.js';

/** Reads the nodes of one tree by their prefix. */
export interface NodeSource {
  /** The encoded node, which stays as it is; undefined if no node has exactly that prefix. */
  get(prefix: Octets): Buffer | undefined;
}

export interface NodeStorage extends NodeSource {
  /** @param content is kept, not copied */
  put(prefix: Octets, content: Buffer): void;
  delete(prefix: Octets): void;
}

export class MemoryNodes implements NodeStorage {
  private readonly nodes = new Map<Octets, Buffer>();

  get(prefix: Octets): Buffer | undefined {
    return this.nodes.get(prefix);
  }

  put(prefix: Octets, content: Buffer): void {
    this.nodes.set(prefix, content);
  }

  delete(prefix: Octets): void {
    this.nodes.delete(prefix);
  }

  entries(): IterableIterator<[prefix: Octets, content: Buffer]> {
    return this.nodes.entries();
  }

  get size(): number {
    return this.nodes.size;
  }
}
