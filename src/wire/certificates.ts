/** Certificates: what several replicas signed alike. */
import { SIGNATURE_BYTES } from '../crypto/ed25519.js';
import { Limits } from '../limits.js';
import type { CheckpointCertificate, FlushCertificate, ReplicaId } from '../pbft/messages.js';
import { WireError } from './errors.js';
import { digest, field, integer, refuseMoreFields } from './fields.js';
import type { Reader } from './protobuf.js';
import { schema } from './schema.js';

interface Signed {
  replica: ReplicaId;
  signature: Uint8Array;
}

/** Of distinct replicas, `n` at most. */
export function readSignatures(signatures: readonly Signed[], n: number): Signed[] {
  if (signatures.length > n) throw new WireError('too-many', `${signatures.length} signatures of ${n} replicas`);
  let signers = 0;
  return signatures.map(({ replica, signature }) => {
    if (replica >= n) throw new WireError('out-of-range', `a signature of replica ${replica}`);
    if ((signers & (1 << replica)) !== 0) throw new WireError('out-of-order', `replica ${replica} signs twice`);
    signers |= 1 << replica;
    return { replica, signature: field(signature, SIGNATURE_BYTES) };
  });
}

/** Reads to the end of `r`. */
export function readFlushCertificate(r: Reader, n: number): FlushCertificate {
  refuseMoreFields(r, 2 + n);
  const m = schema.FlushCertificate.decode(r);
  if (m.sequence === 0) throw new WireError('out-of-range', 'a flush certificate at 0');
  return {
    sequence: integer(m.sequence),
    digest: digest(m.digest),
    signatures: readSignatures(m.signatures, n),
  };
}

/** As `readFlushCertificate`. */
export function readCheckpointCertificate(r: Reader, n: number): CheckpointCertificate {
  refuseMoreFields(r, 2 + n);
  const m = schema.CheckpointCertificate.decode(r);
  const sequence = integer(m.sequence);
  if (sequence === 0 || sequence % Limits.checkpointInterval !== 0) {
    throw new WireError('out-of-range', `a checkpoint at ${sequence}`);
  }
  return { sequence, stateDigest: digest(m.stateDigest), signatures: readSignatures(m.signatures, n) };
}
