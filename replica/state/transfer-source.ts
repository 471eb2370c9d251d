/** Answers from a checkpoint, which stays what it is while execution goes on. */
import type { ReplicaId } from '../../src/pbft/messages.js';
import type { Checkpoints } from './checkpoints.js';
import { decodeQuery, encodeAnswer, isRow, type PieceName } from './transfer-bytes.js';

/** @returns undefined if these bytes are no query, or its checkpoint is not readable */
export function answer(checkpoints: Checkpoints, bytes: Uint8Array, reader: ReplicaId): Buffer | undefined {
  const query = decodeQuery(bytes);
  if (query === undefined || !checkpoints.readable.includes(query.checkpoint)) return undefined;
  checkpoints.hold(query.checkpoint, reader);
  return encodeAnswer(pieces(checkpoints, query.checkpoint, query.names));
}

/** Up to the first that the checkpoint does not have: nobody who knows its tree asks for such. */
function* pieces(checkpoints: Checkpoints, checkpoint: number, names: readonly PieceName[]): IterableIterator<Buffer> {
  const nodes = checkpoints.nodes(checkpoint);
  for (const name of names) {
    const piece = isRow(name) ? checkpoints.row(checkpoint, name) : nodes.get(name);
    if (piece === undefined) return;
    yield piece;
  }
}
