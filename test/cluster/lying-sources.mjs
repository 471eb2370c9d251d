// Replicas that keep to the agreement, and lie to those that take the state from them.
import { ReplicaServer } from '../../dist/replica/server.js';
import {
  ANSWER_BYTES,
  decodeAnswer,
  decodeQuery,
  encodeAnswer,
  encodeQuery,
  isRow,
  QUERY_PIECES,
} from '../../dist/replica/state/transfer-bytes.js';
import { ReplicaAuthentication } from '../../dist/src/crypto/authentication.js';
import { Limits } from '../../dist/src/limits.js';
import { nodeDigest, toBytes } from '../../dist/src/merkle/index.js';

/** The same alteration wherever it is made: two who collude give the same wrong bytes. */
function altered(piece) {
  const copy = Buffer.from(piece);
  copy[copy.length - 1] ^= 0xff;
  return copy;
}

class LyingSource extends ReplicaServer {
  queries = new Map();

  onMessage(link, message) {
    if (message.kind === 'fetch-state') this.queries.set(`${link.peer.id} ${message.number}`, message.query);
    super.onMessage(link, message);
  }

  send(outgoing) {
    const { to, message } = outgoing;
    if (message.kind !== 'state-data' || message.answer === undefined) return super.send(outgoing);
    const asked = `${to} ${message.number}`;
    const { names } = decodeQuery(this.queries.get(asked));
    this.queries.delete(asked);
    this.answer(to, message.number, decodeAnswer(message.answer, QUERY_PIECES), names);
  }

  /** What it says instead of `pieces`, of which `names` are the names. */
  answer(to, number, pieces, names) {
    this.tell(to, number, encodeAnswer(pieces.map((piece, i) => this.lie(piece, names[i]))));
  }

  tell(to, number, answer) {
    super.send({ to, message: { kind: 'state-data', number, answer } });
  }
}

class WrongNodes extends LyingSource {
  lie(piece, name) {
    return isRow(name) ? piece : altered(piece);
  }
}

/** Of their own size, longer, or shorter: which, two who collude agree on. */
class WrongRows extends LyingSource {
  lie(piece, name) {
    if (!isRow(name)) return piece;
    switch (name.charCodeAt(name.length - 1) % 3) {
      case 0:
        return altered(piece);
      case 1:
        return Buffer.concat([piece, piece]);
      default:
        return piece.subarray(0, piece.length >> 1);
    }
  }
}

/** As long as an answer may be, each of them, and again and again. */
class Endless extends LyingSource {
  answer(to, number, pieces) {
    const begun = encodeAnswer(pieces);
    const answer = Buffer.concat([begun, Buffer.alloc(ANSWER_BYTES - begun.length)]);
    clearInterval(this.again);
    this.tell(to, number, answer);
    this.again = setInterval(() => this.tell(to, number, answer), 20).unref();
  }
}

/** Says nothing, or a piece only, just before it is given up. */
class Slow extends LyingSource {
  answer(to, number, [first]) {
    if (number % 2 === 0) setTimeout(() => this.tell(to, number, encodeAnswer([first])), 900);
  }
}

/** Whoever asks what is stable hears of states that nobody but this replica signs, and gets the root of one. */
class Uncertified extends LyingSource {
  onMessage(link, message) {
    if (message.kind === 'query-stable') this.misled = link.peer.id;
    super.onMessage(link, message);
  }

  send(outgoing) {
    const { to, message } = outgoing;
    const { cluster, identity } = this.options;
    if (message.kind !== 'checkpoint' || message.replica !== identity.id) return super.send(outgoing);
    for (const { id } of to === 'replicas' ? cluster.replicas : [{ id: to }]) {
      if (id === identity.id) continue;
      if (id !== this.misled) super.send({ to: id, message });
      else for (const lie of this.misleading(message.sequence)) super.send({ to: id, message: lie });
    }
  }

  /** At that checkpoint, and at one far ahead. */
  *misleading(sequence) {
    const { cluster, identity } = this.options;
    const authentication = new ReplicaAuthentication({ cluster, identity, authenticatorKeys: () => [] });
    const root = this.state.serve(encodeQuery({ checkpoint: sequence, names: [''] }), identity.id);
    const [node] = root === undefined ? [Buffer.from('of a state that it has no more')] : decodeAnswer(root, 1);
    const stateDigest = toBytes(nodeDigest(altered(node)));
    for (const at of [sequence, sequence + 100 * Limits.checkpointInterval]) {
      const signature = authentication.signCheckpoint(at, stateDigest);
      yield { kind: 'checkpoint', sequence: at, stateDigest, replica: identity.id, signature };
    }
  }

  lie(piece, name) {
    return name === '' ? altered(piece) : piece;
  }
}

export const LYING_SOURCES = {
  'wrong-nodes': WrongNodes,
  'wrong-rows': WrongRows,
  endless: Endless,
  'slow-source': Slow,
  uncertified: Uncertified,
};
