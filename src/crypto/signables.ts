/**
 * Everything that is ever signed, MACed or compared by digest in this system, in one place. A signable is
 *
 *     tag (16 bytes, ASCII, zero-padded) ‖ cluster id (32) ‖ fixed-width big-endian fields
 *
 * where payloads of variable length appear as their SHA-256. Tags differ and widths are fixed by the tag (a list
 * carries its count), so no two meanings share bytes, and nothing said in one cluster is worth anything in another
 * (trap 10). Each is built in a buffer of its own that is reused: one small copy and one one-shot hash per digest.
 */

import { assert, Limits } from '../limits.js';
import type {
  Digest,
  Forgotten,
  Numbered,
  OrderedBatch,
  ReplicaId,
  SequenceNumber,
  StartReport,
  Timestamp,
  View,
  ViewChange,
} from '../pbft/messages.js';
import { DIGEST_BYTES, sha256 } from './digests.js';

const TAG_BYTES = 16;
const CLUSTER_ID_BYTES = 32;
const FIELDS_AT = TAG_BYTES + CLUSTER_ID_BYTES;
const TWO_TO_32 = 0x1_0000_0000;
const ORDERED_BATCH_BYTES = 8 + DIGEST_BYTES + 8;
/** Q is the longer of the two: it names up to two batches a sequence number. */
const ORDERED_BATCHES = 2 * Limits.logSize;
const NUMBERED_BYTES = 8 + DIGEST_BYTES;
const REPLICAS = 3 * Limits.maxFaults + 1;
/** The cluster id where there is no cluster yet: it is the digest of none. */
export const NO_CLUSTER = Buffer.alloc(CLUSTER_ID_BYTES);
const STATUS_NONCE_BYTES = 16;
const NO_STATE_DIGEST = Buffer.alloc(DIGEST_BYTES);

/** Who speaks in a handshake or a change of keys: the end that opened the connection, or the one that took it. */
export type LinkEnd = 'dialer' | 'acceptor';

export class Signables {
  private readonly requestBytes: Buffer;
  private readonly batchBytes: Buffer;
  private readonly checkpointBytes: Buffer;
  private readonly chainBytes: Buffer;
  private readonly flushedBytes: Buffer;
  private readonly viewChangeBytes: Buffer;
  private readonly orderedBatchesBytes: Buffer;
  private readonly newViewBytes: Buffer;
  private readonly forgottenBytes: Buffer;
  private readonly reportBytes: Buffer;
  private readonly numberedBytes: Buffer;
  private readonly administrationBytes: Buffer;
  private readonly cardBytes: Buffer;
  private readonly statusBytes: Buffer;
  private readonly resultBytes: Buffer;
  private readonly handshakeBytes: Record<LinkEnd, Buffer>;
  private readonly channelBytes: Buffer;
  private readonly rekeyBytes: Record<LinkEnd, Buffer>;
  /** HKDF's `info` for the keys of a link (RFC 5869 §3.2). */
  readonly linkKeysInfo: Buffer;

  /** @param clusterId 32 bytes: Cluster.id */
  constructor(clusterId: Uint8Array) {
    assert(clusterId.length === CLUSTER_ID_BYTES, 'a cluster id is 32 bytes');
    const signable = (tag: string, fieldBytes: number): Buffer => {
      const bytes = Buffer.alloc(FIELDS_AT + fieldBytes);
      assert(tag.length <= TAG_BYTES, `tag ${tag} is too long`);
      bytes.write(tag, 0, 'latin1');
      bytes.set(clusterId, TAG_BYTES);
      return bytes;
    };
    this.requestBytes = signable('request', DIGEST_BYTES);
    this.batchBytes = signable('batch', 16 + (Limits.batchRequests + REPLICAS) * DIGEST_BYTES);
    this.checkpointBytes = signable('checkpoint', 8 + DIGEST_BYTES + 4);
    this.chainBytes = signable('chain', DIGEST_BYTES + 8 + DIGEST_BYTES);
    this.flushedBytes = signable('flushed', 8 + DIGEST_BYTES + 4);
    this.viewChangeBytes = signable('view-change', 8 + 4 + 8 + 3 * DIGEST_BYTES);
    this.orderedBatchesBytes = Buffer.alloc(4 + ORDERED_BATCHES * ORDERED_BATCH_BYTES);
    this.newViewBytes = signable('new-view', 8 + 4 + REPLICAS * (4 + DIGEST_BYTES));
    this.forgottenBytes = signable('forgotten', 4 + 8 + 8 + 4 + REPLICAS * 8);
    this.reportBytes = signable('report', 4 + 8 + 2 * NUMBERED_BYTES + 2 * DIGEST_BYTES);
    this.numberedBytes = Buffer.alloc(4 + Limits.reportedBatches * NUMBERED_BYTES);
    this.administrationBytes = signable('administration', 8 + DIGEST_BYTES);
    this.cardBytes = signable('card', DIGEST_BYTES);
    this.statusBytes = signable('status report', 4 + 8 + STATUS_NONCE_BYTES + DIGEST_BYTES);
    this.resultBytes = signable('result', DIGEST_BYTES);
    this.channelBytes = signable('channel', 2 * DIGEST_BYTES);
    this.handshakeBytes = {
      dialer: signable('dialer hello', DIGEST_BYTES),
      acceptor: signable('acceptor hello', DIGEST_BYTES),
    };
    this.rekeyBytes = {
      dialer: signable('rekey offer', DIGEST_BYTES + 4 + 32),
      acceptor: signable('rekey accept', DIGEST_BYTES + 4 + 32 + 32),
    };
    this.linkKeysInfo = signable('link keys', 0);
  }

  /** What a client signs, replicas MAC and batches name: body digest. */
  request(body: Uint8Array): Digest {
    return digestOfPayload(this.requestBytes, body);
  }

  /** seconds (8) ‖ nanoseconds (4) ‖ count (4) ‖ digests of requests, and of reports, in order. */
  batch(time: Timestamp, requestDigests: readonly Digest[]): Digest {
    const bytes = this.batchBytes;
    const count = requestDigests.length;
    assert(count <= Limits.batchRequests + REPLICAS, 'a batch holds at most Limits.batchRequests');
    putU64(bytes, FIELDS_AT, time.seconds);
    bytes.writeUInt32BE(time.nanoseconds, FIELDS_AT + 8);
    bytes.writeUInt32BE(count, FIELDS_AT + 12);
    let at = FIELDS_AT + 16;
    for (let i = 0; i < count; i++, at += DIGEST_BYTES) bytes.set(requestDigests[i], at);
    return sha256(bytes.subarray(0, at));
  }

  /** sequence (8) ‖ state digest (32) ‖ replica (4). */
  checkpoint(sequence: SequenceNumber, stateDigest: Digest, replica: ReplicaId): Digest {
    const bytes = this.checkpointBytes;
    putU64(bytes, FIELDS_AT, sequence);
    bytes.set(stateDigest, FIELDS_AT + 8);
    bytes.writeUInt32BE(replica, FIELDS_AT + 8 + DIGEST_BYTES);
    return sha256(bytes);
  }

  /** A link of the digest chain: the one before (32) ‖ sequence (8) ‖ batch digest (32). */
  chain(previous: Digest, sequence: SequenceNumber, batchDigest: Digest): Digest {
    const bytes = this.chainBytes;
    bytes.set(previous, FIELDS_AT);
    putU64(bytes, FIELDS_AT + DIGEST_BYTES, sequence);
    bytes.set(batchDigest, FIELDS_AT + DIGEST_BYTES + 8);
    return sha256(bytes);
  }

  /** sequence (8) ‖ digest of the chain there (32) ‖ replica (4). */
  flushed(sequence: SequenceNumber, digest: Digest, replica: ReplicaId): Digest {
    const bytes = this.flushedBytes;
    putU64(bytes, FIELDS_AT, sequence);
    bytes.set(digest, FIELDS_AT + 8);
    bytes.writeUInt32BE(replica, FIELDS_AT + 8 + DIGEST_BYTES);
    return sha256(bytes);
  }

  /**
   * view (8) ‖ replica (4) ‖ h (8) ‖ digest of the state at h, zeros where h = 0 (32) ‖ SHA-256 of P (32) ‖ of Q (32).
   * P and Q are: count (4) ‖ for each in order: sequence (8) ‖ digest (32) ‖ view (8).
   */
  viewChange(message: Omit<ViewChange, 'signature'>): Digest {
    const { view, replica, certificate, prepared, prePrepared } = message;
    const bytes = this.viewChangeBytes;
    putU64(bytes, FIELDS_AT, view);
    bytes.writeUInt32BE(replica, FIELDS_AT + 8);
    putU64(bytes, FIELDS_AT + 12, certificate?.sequence ?? 0);
    bytes.set(certificate?.stateDigest ?? NO_STATE_DIGEST, FIELDS_AT + 20);
    bytes.set(this.orderedBatches(prepared), FIELDS_AT + 20 + DIGEST_BYTES);
    bytes.set(this.orderedBatches(prePrepared), FIELDS_AT + 20 + 2 * DIGEST_BYTES);
    return sha256(bytes);
  }

  /** Measured: 0.1 ms for the longest. */
  private orderedBatches(batches: readonly OrderedBatch[]): Digest {
    const bytes = this.orderedBatchesBytes;
    assert(batches.length <= ORDERED_BATCHES, 'P and Q hold no more than the log does');
    bytes.writeUInt32BE(batches.length, 0);
    let at = 4;
    for (const { sequence, digest, view } of batches) {
      putU64(bytes, at, sequence);
      bytes.set(digest, at + 8);
      putU64(bytes, at + 8 + DIGEST_BYTES, view);
      at += ORDERED_BATCH_BYTES;
    }
    return sha256(bytes.subarray(0, at));
  }

  /** view (8) ‖ count (4) ‖ for each view-change in order: replica (4) ‖ what it signed (32). */
  newView(view: View, viewChanges: readonly ViewChange[]): Digest {
    const bytes = this.newViewBytes;
    assert(viewChanges.length <= REPLICAS, 'a new-view holds one view-change a replica at most');
    putU64(bytes, FIELDS_AT, view);
    bytes.writeUInt32BE(viewChanges.length, FIELDS_AT + 8);
    let at = FIELDS_AT + 12;
    for (const message of viewChanges) {
      bytes.writeUInt32BE(message.replica, at);
      bytes.set(this.viewChange(message), at + 4);
      at += 4 + DIGEST_BYTES;
    }
    return sha256(bytes.subarray(0, at));
  }

  /** replica (4) ‖ incarnation (8) ‖ life (8) ‖ count (4) ‖ the life heard of each replica (8 each). */
  forgotten({ replica, incarnation, life, heard }: Omit<Forgotten, 'signature'>): Digest {
    const bytes = this.forgottenBytes;
    assert(heard.length <= REPLICAS, 'a claim names one life a replica');
    bytes.writeUInt32BE(replica, FIELDS_AT);
    putU64(bytes, FIELDS_AT + 4, incarnation);
    putU64(bytes, FIELDS_AT + 12, life);
    bytes.writeUInt32BE(heard.length, FIELDS_AT + 20);
    let at = FIELDS_AT + 24;
    for (const each of heard) {
      putU64(bytes, at, each);
      at += 8;
    }
    return sha256(bytes.subarray(0, at));
  }

  /**
   * replica (4) ‖ incarnation (8) ‖ of the checkpoint and of the flush certificate: sequence (8) ‖ digest (32), zeros
   * where there is none ‖ SHA-256 of the checkpoints (32) ‖ of the batches (32), each: count (4) ‖ sequence (8) ‖ digest (32) …
   */
  report(report: Omit<StartReport, 'signature'>): Digest {
    const { replica, incarnation, certificate, flushed, checkpoints, ordered } = report;
    const bytes = this.reportBytes;
    bytes.writeUInt32BE(replica, FIELDS_AT);
    putU64(bytes, FIELDS_AT + 4, incarnation);
    let at = FIELDS_AT + 12;
    for (const each of [
      { sequence: certificate?.sequence ?? 0, digest: certificate?.stateDigest ?? NO_STATE_DIGEST },
      { sequence: flushed?.sequence ?? 0, digest: flushed?.digest ?? NO_STATE_DIGEST },
    ]) {
      putU64(bytes, at, each.sequence);
      bytes.set(each.digest, at + 8);
      at += NUMBERED_BYTES;
    }
    bytes.set(this.numbered(checkpoints), at);
    bytes.set(this.numbered(ordered), at + DIGEST_BYTES);
    return sha256(bytes);
  }

  private numbered(list: readonly Numbered[]): Digest {
    const bytes = this.numberedBytes;
    assert(list.length <= Limits.reportedBatches, 'a report names no more than its limit');
    bytes.writeUInt32BE(list.length, 0);
    let at = 4;
    for (const { sequence, digest } of list) {
      putU64(bytes, at, sequence);
      bytes.set(digest, at + 8);
      at += NUMBERED_BYTES;
    }
    return sha256(bytes.subarray(0, at));
  }

  /** What an owner signs of a change of clients and rights: version of what is changed (8) ‖ digest of the change (32). */
  administration(version: number, change: Uint8Array): Digest {
    const bytes = this.administrationBytes;
    putU64(bytes, FIELDS_AT, version);
    bytes.set(sha256(change), FIELDS_AT + 8);
    return sha256(bytes);
  }

  /** What a member signs of itself before there is a cluster: digest of the card's content (32). */
  card(content: Uint8Array): Digest {
    return digestOfPayload(this.cardBytes, content);
  }

  /**
   * What a replica signs of its status for people: replica (4) ‖ its clock, ms since 1970 (8) ‖ the nonce of who asks (16) ‖
   * SHA-256 of the report (32). src/status/signed.ts computes the same in a browser.
   */
  status(replica: ReplicaId, time: number, nonce: Uint8Array, report: Uint8Array): Digest {
    const bytes = this.statusBytes;
    assert(nonce.length === STATUS_NONCE_BYTES, 'a nonce has its width');
    bytes.writeUInt32BE(replica, FIELDS_AT);
    putU64(bytes, FIELDS_AT + 4, time);
    bytes.set(nonce, FIELDS_AT + 12);
    bytes.set(sha256(report), FIELDS_AT + 12 + STATUS_NONCE_BYTES);
    return sha256(bytes);
  }

  /** What replies to one call are compared by: result digest. */
  resultDigest(result: Uint8Array): Digest {
    return digestOfPayload(this.resultBytes, result);
  }

  /** Names one connection by both hellos: digest of the dialer's (32) ‖ digest of the acceptor's (32). */
  channel(dialerHello: Uint8Array, acceptorHello: Uint8Array): Digest {
    const bytes = this.channelBytes;
    bytes.set(sha256(dialerHello), FIELDS_AT);
    bytes.set(sha256(acceptorHello), FIELDS_AT + DIGEST_BYTES);
    return sha256(bytes);
  }

  /** What each end signs to open a channel: channel (32). */
  handshake(end: LinkEnd, channel: Digest): Digest {
    const bytes = this.handshakeBytes[end];
    bytes.set(channel, FIELDS_AT);
    return sha256(bytes);
  }

  /** Asks for new keys: channel (32) ‖ epoch (4) ‖ the dialer's ephemeral X25519 key (32). */
  rekeyOffer(channel: Digest, epoch: number, offered: Uint8Array): Digest {
    const bytes = this.rekeyBytes.dialer;
    bytes.set(channel, FIELDS_AT);
    bytes.writeUInt32BE(epoch, FIELDS_AT + 32);
    bytes.set(offered, FIELDS_AT + 36);
    return sha256(bytes);
  }

  /** Agrees to new keys: channel (32) ‖ epoch (4) ‖ the dialer's key (32) ‖ the acceptor's (32). */
  rekeyAccept(channel: Digest, epoch: number, offered: Uint8Array, accepted: Uint8Array): Digest {
    const bytes = this.rekeyBytes.acceptor;
    bytes.set(channel, FIELDS_AT);
    bytes.writeUInt32BE(epoch, FIELDS_AT + 32);
    bytes.set(offered, FIELDS_AT + 36);
    bytes.set(accepted, FIELDS_AT + 68);
    return sha256(bytes);
  }
}

/** Two hashes rather than a copy of a payload that may be megabytes. */
function digestOfPayload(signable: Buffer, payload: Uint8Array): Digest {
  signable.set(sha256(payload), FIELDS_AT);
  return sha256(signable);
}

function putU64(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32BE(Math.floor(value / TWO_TO_32), at);
  bytes.writeUInt32BE(value % TWO_TO_32, at + 4);
}
