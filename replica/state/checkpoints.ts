/**
 * Checkpoints of the rows and of their partition tree, readable while execution goes on, across restarts. A row that
 * changes leaves behind what it was at the latest checkpoint; the tree is brought up to date when the next is taken. So
 * the rows that have an image for the latest checkpoint are the rows that the tree may not know yet, and since the image
 * is written in the transaction that changes the row, a restart finds them all. Until the transaction ends, images and
 * nodes are in memory: of the checkpoints that are released before, nothing is written.
 */
import type { Database } from 'better-sqlite3';
import { assert, Limits } from '../../src/limits.js';
import {
  leafDigest,
  type NodeSource,
  type Octets,
  octets,
  rootDigest,
  toBytes,
  updateTree,
} from '../../src/merkle/index.js';
import type { Digest, ReplicaId, SequenceNumber } from '../../src/pbft/messages.js';
import { rowDigest } from './row-bytes.js';
import { readStatement } from './tables/statements.js';
import type { ChangeLog, RowContent } from './tables/table.js';
import { TreeNodes } from './tree-nodes.js';

/** Kept if nobody releases them: all that can be above the low water mark, and the one at it. */
const MOST_CHECKPOINTS = Limits.logSize / Limits.checkpointInterval + 1;
/** One that others read stays, though it be released, until so many checkpoints were taken after they last did … */
const HELD_CHECKPOINTS = 64;
/** … and for so many batches at most: rows that change meanwhile are there twice. */
const HELD_BATCHES = 64 * 1024;

/** Reads all rows of one table or another by tree key. */
export interface RowSource {
  /** As it was last settled. */
  contentAt(key: Octets): Buffer | undefined;
  /** As SQLite has it. */
  leafAt(key: Octets): Octets | undefined;
}

/** A row as it was at a checkpoint; no leaf: there was none. */
export interface RowImage {
  key: Octets;
  leaf: Octets | undefined;
}

/** By the rows' keys; undefined where there was no row. */
interface UnwrittenImages {
  images: Map<Octets, RowContent | undefined>;
  /** Of writing them: see `rowCost`. */
  cost: number;
}

export class Checkpoints implements ChangeLog {
  readonly tree: TreeNodes;
  /** In order; none only while the initial state is made. */
  private taken: SequenceNumber[];
  /** Keys of rows that have an image for the latest checkpoint. */
  private readonly imaged = new Set<Octets>();
  /** By checkpoint: its images that SQLite does not have yet. */
  private readonly unwritten = new Map<SequenceNumber, UnwrittenImages>();
  /** Leaves of the rows that the tree does not know yet. Some 150 bytes each, for the rows of 128 batches at most. */
  private readonly changes = new Map<Octets, Octets | undefined>();
  /** By who reads it: a checkpoint, and how many were taken when it last was read. */
  private readonly held = new Map<ReplicaId, { sequence: SequenceNumber; at: number }>();
  private takenInAll = 0;
  private readonly insertCheckpoint;
  private readonly deleteCheckpoint;
  private readonly deleteCheckpoints;
  private readonly insertImage;
  private readonly image;
  private readonly imagesOf;
  private readonly deleteImages;
  private readonly handImagesDown;
  private readonly deleteImagesAt;
  private readonly setTreeVersion;

  /**
   * @param rows as they are now
   * @param lastExecuted of those rows
   */
  constructor(
    db: Database,
    private readonly rows: RowSource,
    lastExecuted: SequenceNumber,
  ) {
    this.tree = new TreeNodes(db);
    const every = readStatement<[], [number]>(db, 'SELECT sequence FROM checkpoint ORDER BY sequence');
    const imaged = readStatement<[number], [Buffer]>(db, 'SELECT key FROM row_image WHERE checkpoint = ? ORDER BY key');
    this.imagesOf = readStatement<[number, Buffer, number], [key: Buffer, content: Buffer | null]>(
      db,
      'SELECT key, content FROM row_image WHERE checkpoint = ? AND key > ? ORDER BY key LIMIT ?',
    );
    const treeVersion = readStatement<[], [number]>(db, 'SELECT tree_version FROM state WHERE id = 1');
    this.insertCheckpoint = db.prepare<[number]>('INSERT INTO checkpoint VALUES (?)');
    this.deleteCheckpoints = db.prepare<[number]>('DELETE FROM checkpoint WHERE sequence < ?');
    this.insertImage = db.prepare<[number, Buffer, Buffer | null]>('INSERT INTO row_image VALUES (?, ?, ?)');
    this.image = readStatement<[number, Buffer], [Buffer | null]>(
      db,
      'SELECT content FROM row_image WHERE checkpoint = ? AND key = ?',
    );
    this.deleteCheckpoint = db.prepare<[number]>('DELETE FROM checkpoint WHERE sequence = ?');
    this.handImagesDown = db.prepare<[number, number]>(
      'UPDATE OR IGNORE row_image SET checkpoint = ? WHERE checkpoint = ?',
    );
    this.deleteImagesAt = db.prepare<[number]>('DELETE FROM row_image WHERE checkpoint = ?');
    this.deleteImages = db.prepare<[number]>('DELETE FROM row_image WHERE checkpoint < ?');
    this.setTreeVersion = db.prepare<[number]>('UPDATE state SET tree_version = ?');

    this.taken = every.all().map(([sequence]) => sequence);
    if (this.latest === undefined) return;
    const isUpToDate = treeVersion.get()?.[0] === lastExecuted;
    for (const [key] of imaged.all(this.latest)) {
      const text = octets(key);
      this.imaged.add(text);
      if (!isUpToDate) this.changes.set(text, rows.leafAt(text));
    }
  }

  private get latest(): SequenceNumber | undefined {
    return this.taken.at(-1);
  }

  get readable(): readonly SequenceNumber[] {
    return this.taken;
  }

  hasImage(key: Octets): boolean {
    return this.imaged.has(key);
  }

  keepImage(key: Octets, image: RowContent | undefined, cost: number): void {
    this.imaged.add(key);
    const { latest } = this;
    if (latest === undefined) return;
    let unwritten = this.unwritten.get(latest);
    if (unwritten === undefined) {
      unwritten = { images: new Map(), cost: 0 };
      this.unwritten.set(latest, unwritten);
    }
    unwritten.images.set(key, image);
    unwritten.cost += cost;
  }

  /** Of writing the images that SQLite does not have yet. */
  get unwrittenCost(): number {
    let sum = 0;
    for (const { cost } of this.unwritten.values()) sum += cost;
    return sum;
  }

  /** Hands to SQLite what it does not have: images of rows, and nodes. */
  write(): void {
    this.writeImages();
    this.tree.write();
  }

  private writeImages(): void {
    for (const [checkpoint, { images }] of this.unwritten) {
      for (const [key, image] of images) this.insertImage.run(checkpoint, toBytes(key), image?.() ?? null);
    }
    this.unwritten.clear();
  }

  changed(key: Octets, leaf: Octets | undefined): void {
    this.changes.set(key, leaf);
  }

  /** Rows that the tree does not know yet. */
  get pending(): ReadonlyMap<Octets, Octets | undefined> {
    return this.changes;
  }

  /** Brings the tree up to date with rows that are all settled, as of `sequence`; returns its root. */
  updateTree(sequence: SequenceNumber): Digest {
    this.setTreeVersion.run(sequence);
    if (this.changes.size === 0) return toBytes(rootDigest(this.tree));
    this.tree.beginUpdate(sequence, this.latest ?? -1);
    const root = updateTree(this.tree, this.changes);
    this.changes.clear();
    return toBytes(root);
  }

  /** Makes a checkpoint of rows that are all settled; it has already been made if nothing was executed since. */
  take(sequence: SequenceNumber): Digest {
    const { latest } = this;
    const root = this.updateTree(sequence);
    if (sequence === latest) return root;
    assert(latest === undefined || sequence > latest, 'checkpoints are taken in order');
    this.insertCheckpoint.run(sequence);
    this.taken.push(sequence);
    this.imaged.clear();
    this.takenInAll++;
    this.release(this.taken.at(-MOST_CHECKPOINTS) ?? 0);
    return root;
  }

  /** Somebody reads that checkpoint, and is to find it again. */
  hold(sequence: SequenceNumber, reader: ReplicaId): void {
    this.held.set(reader, { sequence, at: this.takenInAll });
  }

  private isHeld(checkpoint: SequenceNumber): boolean {
    for (const [reader, { sequence, at }] of this.held) {
      const forgotten = this.takenInAll - at > HELD_CHECKPOINTS || sequence < this.latest! - HELD_BATCHES;
      if (forgotten) this.held.delete(reader);
      else if (sequence === checkpoint) return true;
    }
    return false;
  }

  /** Drops checkpoints below `oldest`, but not the latest, nor what others are reading. */
  release(oldest: SequenceNumber): void {
    const { latest } = this;
    for (const sequence of this.taken.filter((each) => each < oldest && each !== latest && !this.isHeld(each))) {
      const at = this.taken.indexOf(sequence);
      if (at === 0) this.dropFirst();
      else this.drop(at);
    }
  }

  private dropFirst(): void {
    this.taken.shift();
    const [first] = this.taken;
    for (const checkpoint of this.unwritten.keys()) if (checkpoint < first) this.unwritten.delete(checkpoint);
    this.deleteCheckpoints.run(first);
    this.deleteImages.run(first);
    this.tree.release(first);
  }

  /** One between others: what the one before it needs of it becomes that one's own. */
  private drop(at: number): void {
    this.writeImages();
    const [before, sequence, after] = this.taken.splice(at - 1, 3, this.taken[at - 1], this.taken[at + 1]);
    this.deleteCheckpoint.run(sequence);
    this.handImagesDown.run(before, sequence);
    this.deleteImagesAt.run(sequence);
    this.tree.forget(before, sequence, after);
  }

  /** The row that was there at a readable checkpoint. */
  row(checkpoint: SequenceNumber, key: Octets): Buffer | undefined {
    const bytes = toBytes(key);
    for (const sequence of this.taken) {
      if (sequence < checkpoint) continue;
      const images = this.unwritten.get(sequence)?.images;
      if (images?.has(key)) return images.get(key)?.();
      const found = this.image.get(sequence, bytes);
      if (found !== undefined) return found[0] ?? undefined;
    }
    return this.rows.contentAt(key);
  }

  /** Rows that a checkpoint has otherwise than the next, in the order of their keys: at most `limit` after `key`. */
  imagesAfter(checkpoint: SequenceNumber, key: Octets | undefined, limit: number): RowImage[] {
    this.writeImages();
    return this.imagesOf.all(checkpoint, toBytes(key ?? ''), limit).map(([bytes, content]) => {
      const key = octets(bytes);
      return { key, leaf: content === null ? undefined : leafDigest(key, rowDigest(content)) };
    });
  }

  /** The tree of a readable checkpoint. */
  nodes(checkpoint: SequenceNumber): NodeSource {
    return this.tree.at(checkpoint);
  }

  /** Of a readable checkpoint. */
  rootAt(checkpoint: SequenceNumber): Digest {
    return toBytes(rootDigest(this.nodes(checkpoint)));
  }

  /** The tree as it was last brought up to date. */
  get currentNodes(): NodeSource {
    return this.tree.at(Number.MAX_SAFE_INTEGER);
  }

  /**
   * Forgets the tree with all its checkpoints, so that it can be made again of the rows: each is to be told of as
   * `changed`. Until a checkpoint is taken there is none.
   */
  forgetAll(): void {
    this.taken = [];
    this.unwritten.clear();
    this.imaged.clear();
    this.changes.clear();
    this.deleteCheckpoints.run(Number.MAX_SAFE_INTEGER);
    this.deleteImages.run(Number.MAX_SAFE_INTEGER);
    this.tree.clear();
  }

  /** Drops all checkpoints, since the rows are to become those of another: `sequence`, which is to be taken then. */
  startOver(sequence: SequenceNumber): void {
    assert(this.changes.size === 0, 'the tree is up to date');
    this.taken = [];
    this.held.clear();
    this.unwritten.clear();
    this.imaged.clear();
    this.deleteCheckpoints.run(Number.MAX_SAFE_INTEGER);
    this.deleteImages.run(Number.MAX_SAFE_INTEGER);
    this.tree.release(Number.MAX_SAFE_INTEGER);
    this.tree.goBackTo(sequence);
  }
}
