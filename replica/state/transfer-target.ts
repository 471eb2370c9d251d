/** Gathers the rows that a state lacks to be that of a certified checkpoint, from peers that it need not trust. */
import { assert } from '../../src/limits.js';
import {
  type DifferenceSink,
  leafDigest,
  type MissingNode,
  type NodeSource,
  type Octets,
  octets,
  TreeDifference,
} from '../../src/merkle/index.js';
import type { Digest, SequenceNumber } from '../../src/pbft/messages.js';
import type { StateTransfer, TransferProgress } from '../../src/pbft/transfer-ports.js';
import { BLOCK_ROW_BYTES, LARGEST_ROW_BYTES, rowDigest } from './row-bytes.js';
import { tableOf } from './row-keys.js';
import { Table } from './rows.js';
import type { Staging } from './staging.js';
import { ANSWER_BYTES, decodeAnswer, encodeQuery, QUERY_PIECES } from './transfer-bytes.js';

/** Bytes that a piece is reckoned at when a query is made. */
const EXPECTED_BYTES = { node: 9 * 1024, row: 256 };
/** Of blocks, whose size varies most, the mean of so many is expected. */
const BLOCKS_AVERAGED = 32;
/** Nodes of an earlier transfer that one call of `queries` looks at: some 10 ms. */
const STAGED_NODES = 64;

interface MissingRow {
  key: Octets;
  leaf: Octets;
}

type Piece = { node: MissingNode; row?: undefined } | { row: MissingRow; node?: undefined };

/** Preparation that one call of `queries` does. */
const PREPARED_MS = 10;

/** What the transfer does to the state at its end. */
export interface TransferEnd {
  /** @returns whether it is installed, or has to be called again */
  install(sequence: SequenceNumber, root: Digest): boolean;
  cancel(): void;
}

export class Transfer implements StateTransfer, DifferenceSink {
  /** None until the local tree is what the local rows are. */
  private walk: TreeDifference | undefined;
  /** Rows found to be missing and not asked for. They are asked for before more nodes are, which bounds their number. */
  private rows: MissingRow[] = [];
  private readonly outstanding = new Map<Octets, Piece[]>();
  private piecesOutstanding = { rows: 0, nodes: 0 };
  /** Whether rows may be here already that this walk finds to be missing. */
  private resumes = false;
  private gathered = { rows: 0, nodes: 0, bytes: 0 };
  private expectedBlockBytes = BLOCK_ROW_BYTES;
  private stagedNodesLeft = 0;
  private installing = false;

  /**
   * @param local the state's tree, which stays as it is until the end, but for
   * @param preparation what is to be done before it can be relied on
   * @param now milliseconds, which bound how much of that is done at once
   */
  constructor(
    private readonly local: NodeSource,
    private readonly staging: Staging,
    private readonly end: TransferEnd,
    public sequence: SequenceNumber,
    private root: Digest,
    private readonly preparation: Generator<void> | undefined,
    private readonly now: () => number,
  ) {
    if (preparation === undefined) this.walk = this.begin();
  }

  retarget(sequence: SequenceNumber, root: Digest): void {
    assert(!this.installing, 'an installation goes on to its end');
    assert(sequence > this.sequence, 'a transfer turns to a newer checkpoint');
    this.sequence = sequence;
    this.root = root;
    if (this.walk !== undefined) this.walk = this.begin();
  }

  /** Goes on with the preparation for a moment. */
  private prepare(preparation: Generator<void>): void {
    const until = this.now() + PREPARED_MS;
    do {
      if (preparation.next().done) this.walk = this.begin();
    } while (this.walk === undefined && this.now() < until);
  }

  private begin(): TreeDifference {
    this.rows = [];
    this.outstanding.clear();
    this.piecesOutstanding = { rows: 0, nodes: 0 };
    this.gathered = { ...this.gathered, rows: 0, nodes: 0 };
    this.resumes = this.staging.hasRows;
    this.staging.forgetChanges();
    return new TreeDifference(this.local, octets(this.root), this);
  }

  changed(key: Octets, leaf: Octets): void {
    this.staging.change(key, leaf);
    if (this.resumes && this.staging.leaf(key) === leaf) this.gathered.rows++;
    else this.rows.push({ key, leaf });
  }

  removed(key: Octets): void {
    this.staging.change(key, undefined);
    this.gathered.rows++;
  }

  get done(): boolean {
    return this.walk?.open === 0 && this.rows.length === 0 && this.outstanding.size === 0;
  }

  get progress(): TransferProgress {
    const { rows, nodes, bytes } = this.gathered;
    const { piecesOutstanding } = this;
    const rowsMissing = this.rows.length + piecesOutstanding.rows;
    return { rows, rowsMissing, nodes, nodesMissing: (this.walk?.open ?? 1) + piecesOutstanding.nodes, bytes };
  }

  queries(limit: number): Buffer[] {
    if (this.walk === undefined) {
      this.prepare(this.preparation!);
      return [];
    }
    this.stagedNodesLeft = STAGED_NODES;
    const queries: Buffer[] = [];
    for (let pieces = this.nextPieces(); pieces.length > 0; pieces = this.nextPieces()) {
      queries.push(this.ask(pieces));
      if (queries.length === limit) break;
    }
    return queries;
  }

  /** As many pieces as an answer has room for. */
  private nextPieces(): Piece[] {
    const pieces: Piece[] = [];
    let bytes = 0;
    while (pieces.length < QUERY_PIECES) {
      const piece = this.nextPiece();
      if (piece === undefined) break;
      bytes += this.expectedBytes(piece);
      if (bytes > ANSWER_BYTES) {
        this.putBack(piece);
        break;
      }
      pieces.push(piece);
    }
    return pieces;
  }

  /** A row, or else a node that no earlier transfer left here. */
  private nextPiece(): Piece | undefined {
    const walk = this.walk!;
    for (;;) {
      const row = this.rows.pop();
      if (row !== undefined) return { row };
      const node = this.stagedNodesLeft > 0 ? walk.take() : undefined;
      if (node === undefined) return undefined;
      const staged = this.staging.node(node.prefix);
      if (staged === undefined || !TreeDifference.isRight(node, staged)) return { node };
      this.stagedNodesLeft--;
      this.gathered.nodes++;
      walk.accept(node, staged);
    }
  }

  private expectedBytes({ row }: Piece): number {
    if (row === undefined) return EXPECTED_BYTES.node;
    return isBlock(row) ? this.expectedBlockBytes : EXPECTED_BYTES.row;
  }

  private ask(pieces: Piece[]): Buffer {
    const query = encodeQuery({ checkpoint: this.sequence, names: pieces.map(nameOf) });
    this.outstanding.set(octets(query), pieces);
    this.count(pieces, 1);
    return query;
  }

  private count(pieces: readonly Piece[], by: number): void {
    for (const { row } of pieces) this.piecesOutstanding[row === undefined ? 'nodes' : 'rows'] += by;
  }

  private putBack(piece: Piece): void {
    if (piece.row === undefined) this.walk!.putBack(piece.node);
    else this.rows.push(piece.row);
  }

  giveUp(query: Uint8Array): void {
    for (const piece of this.settle(octets(query))) this.putBack(piece);
  }

  /** The query is not outstanding any more; returns what it asked for. */
  private settle(query: Octets): Piece[] {
    const pieces = this.outstanding.get(query) ?? [];
    this.outstanding.delete(query);
    this.count(pieces, -1);
    return pieces;
  }

  accept(query: Uint8Array, answer: Uint8Array): 'ok' | 'invalid' {
    const pieces = this.outstanding.get(octets(query));
    if (pieces === undefined) return 'ok';
    const contents = decodeAnswer(answer, pieces.length);
    const isRight = contents?.every((content, at) => isPiece(pieces[at], content)) === true && contents.length > 0;
    if (!isRight) {
      this.giveUp(query);
      return 'invalid';
    }
    this.settle(octets(query)).forEach((piece, at) => {
      if (at < contents.length) this.gather(piece, contents[at]);
      else this.putBack(piece);
    });
    return 'ok';
  }

  /** A piece that has been checked. */
  private gather({ row, node }: Piece, content: Buffer): void {
    this.gathered.bytes += content.length;
    if (row !== undefined) {
      if (isBlock(row)) this.expectedBlockBytes += (content.length - this.expectedBlockBytes) / BLOCKS_AVERAGED;
      this.staging.putRow(row.key, row.leaf, content);
      this.gathered.rows++;
    } else {
      this.staging.putNode(node.prefix, content);
      this.gathered.nodes++;
      this.walk!.accept(node, content);
    }
  }

  install(): boolean {
    assert(this.done, 'what is installed is complete');
    this.installing = true;
    return this.end.install(this.sequence, this.root);
  }

  cancel(): void {
    assert(!this.installing, 'an installation goes on to its end');
    this.end.cancel();
  }
}

const nameOf = ({ row, node }: Piece): Octets => (row === undefined ? node.prefix : row.key);

const isPiece = ({ row, node }: Piece, content: Buffer): boolean =>
  row === undefined
    ? TreeDifference.isRight(node, content)
    : content.length <= LARGEST_ROW_BYTES && leafDigest(row.key, rowDigest(content)) === row.leaf;

const isBlock = ({ key }: MissingRow): boolean => tableOf(key) === Table.Block;
