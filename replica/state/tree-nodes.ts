/**
 * The nodes of the partition tree in SQLite, in as many versions as there are checkpoints that need them. A version is
 * the sequence number after which the tree was brought up to date; one that no checkpoint needs is overwritten.
 */
import type { Database } from 'better-sqlite3';
import { assert } from '../../src/limits.js';
import { type NodeSource, type NodeStorage, type Octets, toBytes } from '../../src/merkle/index.js';
import type { SequenceNumber } from '../../src/pbft/messages.js';
import { readStatement } from './tables/statements.js';

type VersionColumns = [id: number, version: number, content: Buffer | null];

export class TreeNodes implements NodeStorage {
  private version: SequenceNumber = 0;
  /** The latest checkpoint: versions up to it stay. */
  private kept: SequenceNumber = -1;
  /** Newest versions read in this update, so that replacing a node need not look for it again. */
  private readonly found = new Map<Octets, { id: number; version: number } | undefined>();
  private readonly newest;
  private readonly newestUpTo;
  private readonly insert;
  private readonly overwrite;
  private readonly remove;
  private readonly supersede;
  private readonly superseded;
  private readonly supersededBetween;
  private readonly removeBetween;
  private readonly removeOlder;
  private readonly forgetSuperseded;
  private readonly lowerVersions;
  private readonly removeAll;
  private readonly forgetAll;

  constructor(db: Database) {
    const columns = 'SELECT id, version, content FROM tree_node WHERE prefix = ?';
    this.newest = readStatement<[Buffer], VersionColumns>(db, `${columns} ORDER BY version DESC LIMIT 1`);
    this.newestUpTo = readStatement<[Buffer, number], VersionColumns>(
      db,
      `${columns} AND version <= ? ORDER BY version DESC LIMIT 1`,
    );
    this.insert = db.prepare<[Buffer, number, Buffer | null]>(
      'INSERT INTO tree_node (prefix, version, content) VALUES (?, ?, ?)',
    );
    this.overwrite = db.prepare<[Buffer | null, number]>('UPDATE tree_node SET content = ? WHERE id = ?');
    this.remove = db.prepare<[number]>('DELETE FROM tree_node WHERE id = ?');
    this.supersede = db.prepare<[number, Buffer]>('INSERT OR IGNORE INTO tree_node_superseded VALUES (?, ?)');
    this.superseded = readStatement<[number], [prefix: Buffer]>(
      db,
      'SELECT DISTINCT prefix FROM tree_node_superseded WHERE version <= ? ORDER BY prefix',
    );
    this.supersededBetween = readStatement<[number, number], [prefix: Buffer]>(
      db,
      'SELECT prefix FROM tree_node_superseded WHERE version > ? AND version <= ? ORDER BY version, prefix',
    );
    this.removeBetween = db.prepare<[Buffer, number, number]>(
      'DELETE FROM tree_node WHERE prefix = ? AND version > ? AND version <= ?',
    );
    this.removeOlder = db.prepare<[Buffer, number]>('DELETE FROM tree_node WHERE prefix = ? AND version < ?');
    this.forgetSuperseded = db.prepare<[number]>('DELETE FROM tree_node_superseded WHERE version <= ?');
    this.removeAll = db.prepare('DELETE FROM tree_node');
    this.forgetAll = db.prepare('DELETE FROM tree_node_superseded');
    this.lowerVersions = db.prepare<[number, number]>('UPDATE tree_node SET version = ? WHERE version > ?');
  }

  /**
   * What is put and deleted from now on is of `version`.
   * @param checkpoint the latest one; what it has stays readable. -1: there is none
   */
  beginUpdate(version: SequenceNumber, checkpoint: SequenceNumber): void {
    assert(version > checkpoint, 'the tree changes after its checkpoint');
    this.version = version;
    this.kept = checkpoint;
    this.found.clear();
  }

  get(prefix: Octets): Buffer | undefined {
    const row = this.newest.get(toBytes(prefix));
    this.found.set(prefix, row && { id: row[0], version: row[1] });
    return row?.[2] ?? undefined;
  }

  put(prefix: Octets, content: Buffer): void {
    this.replace(prefix, content);
  }

  delete(prefix: Octets): void {
    this.replace(prefix, null);
  }

  private replace(prefix: Octets, content: Buffer | null): void {
    if (!this.found.has(prefix)) this.get(prefix);
    const old = this.found.get(prefix);
    if (old !== undefined && old.version > this.kept) this.overwrite.run(content, old.id);
    else {
      const id = this.insert.run(toBytes(prefix), this.version, content).lastInsertRowid as number;
      this.found.set(prefix, { id, version: this.version });
    }
    if (content === null || (old !== undefined && old.version <= this.kept)) {
      this.supersede.run(this.version, toBytes(prefix));
    }
  }

  /** The tree as it was at a checkpoint that was not released. */
  at(checkpoint: SequenceNumber): NodeSource {
    return { get: (prefix) => this.newestUpTo.get(toBytes(prefix), checkpoint)?.[2] ?? undefined };
  }

  /** Drops what no checkpoint from `oldest` on needs, nor the tree as it is now. */
  release(oldest: SequenceNumber): void {
    for (const [prefix] of this.superseded.all(oldest)) {
      const [id, version, content] = this.newestUpTo.get(prefix, oldest)!;
      this.removeOlder.run(prefix, version);
      if (content === null) this.remove.run(id);
    }
    this.forgetSuperseded.run(oldest);
  }

  /** Drops what only the checkpoint `sequence` needs: neither the one before it, nor the one after. */
  forget(before: SequenceNumber, sequence: SequenceNumber, after: SequenceNumber): void {
    for (const [prefix] of this.supersededBetween.all(sequence, after))
      this.removeBetween.run(prefix, before, sequence);
  }

  /** No node is of a later version: for a tree whose checkpoints are dropped because it goes back before them. */
  goBackTo(version: SequenceNumber): void {
    this.lowerVersions.run(version, version);
  }

  /** There are no nodes any more, of any version. */
  clear(): void {
    this.removeAll.run();
    this.forgetAll.run();
    this.found.clear();
  }
}
