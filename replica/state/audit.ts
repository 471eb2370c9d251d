/** The partition tree made again from the rows alone: for tests, and to check a state when it is opened. */
import { findLeaf, MemoryNodes, type Octets, updateTree } from '../../src/merkle/index.js';
import type { Checkpoints } from './checkpoints.js';
import type { StoredRows } from './tables/table.js';

/** The tree of all rows in SQLite. */
export function treeOfRows(tables: readonly StoredRows[]): MemoryNodes {
  const leaves = new Map<Octets, Octets>();
  for (const table of tables) for (const [key, leaf] of table.leaves()) leaves.set(key, leaf);
  return treeOf(leaves);
}

/** Whether the stored tree is that of the rows, wherever it is to know them: of those that changed since, it is asked. */
export function treeIsThatOfRows(tables: readonly StoredRows[], { tree, pending }: Checkpoints): boolean {
  const leaves = new Map<Octets, Octets>();
  for (const table of tables) {
    for (const [key, leaf] of table.leaves()) if (!pending.has(key)) leaves.set(key, leaf);
  }
  for (const key of pending.keys()) {
    const leaf = findLeaf(tree, key);
    if (leaf !== undefined) leaves.set(key, leaf);
  }
  for (const [prefix, content] of treeOf(leaves).entries()) {
    if (tree.get(prefix)?.equals(content) !== true) return false;
  }
  return true;
}

function treeOf(leaves: ReadonlyMap<Octets, Octets>): MemoryNodes {
  const nodes = new MemoryNodes();
  updateTree(nodes, leaves);
  return nodes;
}
