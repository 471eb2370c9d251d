/**
 * The nodes of the partition tree, in as many versions as there are checkpoints that need them. A version is the sequence
 * number after which the tree was brought up to date; one that no checkpoint needs is overwritten. Versions are held here
 * until `write` hands them to SQLite: a node near the root has a new one with each checkpoint, and most are released before.
 */
import type { Database } from 'better-sqlite3';
import { assert } from '../../src/limits.js';
import { type NodeSource, type NodeStorage, type Octets, octets, toBytes } from '../../src/merkle/index.js';
import type { SequenceNumber } from '../../src/pbft/messages.js';
import { GenerationCache } from './cache.js';
import { readStatement } from './tables/statements.js';

type VersionColumns = [version: number, content: Buffer | null];

/** Content is null where a node was removed that a checkpoint still has. */
interface Version {
  readonly version: SequenceNumber;
  content: Buffer | null;
}

/** Of one node: what SQLite does not have, or has otherwise under the same version; later than all else that it has. */
interface Unwritten {
  versions: Version[];
  /** Whether SQLite may have versions of this node. */
  stored: boolean;
}

/** Nodes in memory as SQLite has them: up to 9 KiB each. */
const CACHED_NODES = 256;

export class TreeNodes implements NodeStorage {
  private version: SequenceNumber = 0;
  /** The latest checkpoint: versions up to it stay. */
  private kept: SequenceNumber = -1;
  private readonly unwritten = new Map<Octets, Unwritten>();
  /** By version: the nodes that it made an older one superfluous of, once no checkpoint needs it, or that it removed. */
  private readonly superseding = new Map<SequenceNumber, Set<Octets>>();
  /** Newest versions as SQLite has them, of nodes that are not in `unwritten`; null: it has none. */
  private readonly clean = new GenerationCache<Octets, Version | null>(CACHED_NODES);
  private readonly newestStored;
  private readonly newestUpTo;
  private readonly upsert;
  private readonly supersede;
  private readonly superseded;
  private readonly supersededBetween;
  private readonly removeBetween;
  private readonly forgetSuperseded;
  private readonly lowerVersions;
  private readonly removeAll;
  private readonly forgetAll;

  constructor(db: Database) {
    const columns = 'SELECT version, content FROM tree_node WHERE prefix = ?';
    this.newestStored = readStatement<[Buffer], VersionColumns>(db, `${columns} ORDER BY version DESC LIMIT 1`);
    this.newestUpTo = readStatement<[Buffer, number], VersionColumns>(
      db,
      `${columns} AND version <= ? ORDER BY version DESC LIMIT 1`,
    );
    this.upsert = db.prepare<[Buffer, number, Buffer | null]>(
      'INSERT INTO tree_node (prefix, version, content) VALUES (?, ?, ?)' +
        ' ON CONFLICT (prefix, version) DO UPDATE SET content = excluded.content',
    );
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
  }

  get(prefix: Octets): Buffer | undefined {
    return this.newest(prefix)?.content ?? undefined;
  }

  private newest(prefix: Octets): Version | null {
    const unwritten = this.unwritten.get(prefix);
    if (unwritten !== undefined) return unwritten.versions[unwritten.versions.length - 1];
    let found = this.clean.get(prefix);
    if (found === undefined) {
      const columns = this.newestStored.get(toBytes(prefix));
      found = columns === undefined ? null : { version: columns[0], content: columns[1] };
      this.clean.set(prefix, found);
    }
    return found;
  }

  put(prefix: Octets, content: Buffer): void {
    this.replace(prefix, content);
  }

  delete(prefix: Octets): void {
    this.replace(prefix, null);
  }

  private replace(prefix: Octets, content: Buffer | null): void {
    const old = this.newest(prefix);
    const isKept = old !== null && old.version <= this.kept;
    this.add(prefix, old !== null, old === null || isKept ? this.version : old.version, content);
    if (content === null || isKept) this.noteSuperseding(prefix);
  }

  private add(prefix: Octets, stored: boolean, version: SequenceNumber, content: Buffer | null): void {
    const unwritten = this.unwritten.get(prefix);
    if (unwritten === undefined) {
      this.unwritten.set(prefix, { versions: [{ version, content }], stored });
      return;
    }
    const last = unwritten.versions[unwritten.versions.length - 1];
    if (last.version === version) last.content = content;
    else unwritten.versions.push({ version, content });
  }

  private noteSuperseding(prefix: Octets): void {
    const noted = this.superseding.get(this.version);
    if (noted === undefined) this.superseding.set(this.version, new Set([prefix]));
    else noted.add(prefix);
  }

  /** The tree as it was at a checkpoint that was not released. */
  at(checkpoint: SequenceNumber): NodeSource {
    return {
      get: (prefix) => {
        const unwritten = this.unwritten.get(prefix)?.versions.findLast(({ version }) => version <= checkpoint);
        if (unwritten !== undefined) return unwritten.content ?? undefined;
        return this.newestUpTo.get(toBytes(prefix), checkpoint)?.[1] ?? undefined;
      },
    };
  }

  /** How many versions are to be written. */
  get unwrittenNodes(): number {
    return this.unwritten.size;
  }

  /** Hands to SQLite what it does not have. */
  write(): void {
    for (const [prefix, { versions, stored }] of this.unwritten) {
      const bytes = toBytes(prefix);
      const last = versions[versions.length - 1];
      const neverWas = !stored && versions.length === 1 && last.content === null;
      if (!neverWas) for (const { version, content } of versions) this.upsert.run(bytes, version, content);
      this.clean.set(prefix, neverWas ? null : last);
    }
    this.unwritten.clear();
    for (const [version, prefixes] of this.superseding) {
      for (const prefix of prefixes) this.supersede.run(version, toBytes(prefix));
    }
    this.superseding.clear();
  }

  /** Drops what no checkpoint from `oldest` on needs, nor the tree as it is now. */
  release(oldest: SequenceNumber): void {
    const prefixes = new Set(this.superseded.all(oldest).map(([prefix]) => octets(prefix)));
    for (const [version, noted] of this.superseding) {
      if (version > oldest) continue;
      for (const prefix of noted) prefixes.add(prefix);
      this.superseding.delete(version);
    }
    for (const prefix of prefixes) this.releaseNode(prefix, oldest);
    this.forgetSuperseded.run(oldest);
  }

  private releaseNode(prefix: Octets, oldest: SequenceNumber): void {
    const unwritten = this.unwritten.get(prefix);
    const at = unwritten?.versions.findLastIndex(({ version }) => version <= oldest) ?? -1;
    if (unwritten === undefined || at === -1) {
      this.releaseStored(prefix, oldest);
      return;
    }
    const { version, content } = unwritten.versions[at];
    unwritten.versions.splice(0, content === null ? at + 1 : at);
    if (unwritten.stored) this.removeBetween.run(toBytes(prefix), -1, content === null ? version : version - 1);
    if (unwritten.versions.length > 0) return;
    this.unwritten.delete(prefix);
    this.clean.set(prefix, null);
  }

  private releaseStored(prefix: Octets, oldest: SequenceNumber): void {
    const bytes = toBytes(prefix);
    const found = this.newestUpTo.get(bytes, oldest);
    if (found === undefined) return;
    const [version, content] = found;
    this.removeBetween.run(bytes, -1, content === null ? version : version - 1);
    if (content === null && this.clean.get(prefix)?.version === version) this.clean.set(prefix, null);
  }

  /** Drops what only the checkpoint `sequence` needs: neither the one before it, nor the one after. */
  forget(before: SequenceNumber, sequence: SequenceNumber, after: SequenceNumber): void {
    this.write();
    for (const [prefix] of this.supersededBetween.all(sequence, after))
      this.removeBetween.run(prefix, before, sequence);
  }

  /** No node is of a later version: for a tree whose checkpoints are dropped because it goes back before them. */
  goBackTo(version: SequenceNumber): void {
    this.write();
    this.lowerVersions.run(version, version);
    this.clean.clear();
  }

  /** There are no nodes any more, of any version. */
  clear(): void {
    this.removeAll.run();
    this.forgetAll.run();
    this.unwritten.clear();
    this.superseding.clear();
    this.clean.clear();
  }
}
