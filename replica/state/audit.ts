/** The partition tree made again from the rows alone: for tests and audits. */
import { MemoryNodes, type Octets, updateTree } from '../../src/merkle/index.js';
import type { StoredRows } from './tables/table.js';

/** The tree of all rows in SQLite. */
export function treeOfRows(tables: readonly StoredRows[]): MemoryNodes {
  const leaves = new Map<Octets, Octets>();
  for (const table of tables) for (const [key, leaf] of table.leaves()) leaves.set(key, leaf);
  const nodes = new MemoryNodes();
  updateTree(nodes, leaves);
  return nodes;
}
