/** A replica's signed status: what it says in answer to one question, so that nobody else can say it, nor it be said again. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { nobleVerify } from '../crypto/ed25519-noble.js';
import { PlainWriter } from './byte-writer.js';
import type { KnownCluster } from './known-cluster.js';
import { count, integer, matching, object, text } from './shape.js';
import type { Answer } from './verdicts.js';

/** As it is sent, in JSON. */
export interface SignedStatus {
  replica: number;
  /** The replica's clock, milliseconds since 1970. */
  time: number;
  /** Of the question, 32 digits. */
  nonce: string;
  /** JSON; its bytes are what is signed. */
  report: string;
  /** Hex. */
  signature: string;
}

export const NONCE = /^[0-9a-f]{32}$/;

/** Of one answer. */
export const STATUS_BYTES = 64 * 1024;

const signedStatus = object<SignedStatus>({
  ...{ replica: integer(0, 2 ** 32 - 1), time: count, nonce: matching(NONCE), report: text(STATUS_BYTES) },
  signature: matching(/^[0-9a-f]{128}$/),
});

/** As `Signables.status` does. */
function signable(clusterId: Uint8Array, { replica, time, nonce, report }: SignedStatus): Uint8Array {
  const tag = new Uint8Array(16);
  tag.set(utf8ToBytes('status report'));
  const w = new PlainWriter().raw(tag).raw(clusterId).u32(replica).u64(time).raw(hexToBytes(nonce));
  return sha256(w.raw(sha256(utf8ToBytes(report))).finish());
}

/** @param replica whom it is taken to be from */
function isSignedBy(cluster: KnownCluster, replica: number, status: SignedStatus): boolean {
  const { publicKey } = cluster.replicas[replica];
  return nobleVerify(publicKey, signable(cluster.id, status), hexToBytes(status.signature));
}

export interface Opened {
  answer: Answer;
  /** The replica's clock, milliseconds since 1970; null if it is not known to be its own. */
  time: number | null;
}

const fault = (why: string): Opened => ({ answer: { kind: 'fault', why }, time: null });

/**
 * What an answer is worth.
 * @param content of the answer
 * @param asked the replica that was asked, and the nonce that it was given
 */
export function openStatus(cluster: KnownCluster, content: string, asked: { replica: number; nonce: string }): Opened {
  let status: SignedStatus;
  try {
    status = signedStatus(JSON.parse(content), '');
  } catch {
    return fault('what answers at its address is no replica');
  }
  const known = status.replica < cluster.replicas.length;
  if (!known || !isSignedBy(cluster, status.replica, status)) {
    return fault('what answers at its address has not signed with its key');
  }
  if (status.replica !== asked.replica) return fault(`replica ${status.replica} answers at its address`);
  if (status.nonce !== asked.nonce) return fault('it repeats an old answer');
  try {
    return { answer: { kind: 'report', report: JSON.parse(status.report) }, time: status.time };
  } catch {
    return fault('its report makes no sense');
  }
}

/** For a question that only a fresh answer answers. */
export const newNonce = (): string => bytesToHex(globalThis.crypto.getRandomValues(new Uint8Array(16)));
