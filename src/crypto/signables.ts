/**
 * Everything that is ever signed, MACed or compared by digest in this system, in one place. A signable is
 *
 *     tag (16 bytes, ASCII, zero-padded) ‖ cluster id (32) ‖ fixed-width big-endian fields
 *
 * where payloads of variable length appear as their SHA-256. Tags differ and widths are fixed by the tag (a batch
 * carries its count), so no two meanings share bytes, and nothing said in one cluster is worth anything in another
 * (trap 10). Each is built in a buffer of its own that is reused: one small copy and one one-shot hash per digest.
 */

import { assert, Limits } from '../limits.js';
import type { Digest, ReplicaId, SequenceNumber, Timestamp } from '../pbft/messages.js';
import { DIGEST_BYTES, sha256 } from './digests.js';

const TAG_BYTES = 16;
const CLUSTER_ID_BYTES = 32;
const FIELDS_AT = TAG_BYTES + CLUSTER_ID_BYTES;
const TWO_TO_32 = 0x1_0000_0000;

/** Who speaks in a handshake or a change of keys: the end that opened the connection, or the one that took it. */
export type LinkEnd = 'dialer' | 'acceptor';

export class Signables {
  private readonly requestBytes: Buffer;
  private readonly batchBytes: Buffer;
  private readonly checkpointBytes: Buffer;
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
    this.batchBytes = signable('batch', 16 + Limits.batchRequests * DIGEST_BYTES);
    this.checkpointBytes = signable('checkpoint', 8 + DIGEST_BYTES + 4);
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

  /** seconds (8) ‖ nanoseconds (4) ‖ count (4) ‖ request digests in order. */
  batch(time: Timestamp, requestDigests: readonly Digest[]): Digest {
    const bytes = this.batchBytes;
    const count = requestDigests.length;
    assert(count <= Limits.batchRequests, 'a batch holds at most Limits.batchRequests');
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
