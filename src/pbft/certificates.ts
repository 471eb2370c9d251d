import { Limits } from '../limits.js';
import type { Configuration } from './configuration.js';
import type { CheckpointCertificate, ReplicaId } from './messages.js';
import type { Authentication } from './ports.js';

/** Whether 2f+1 distinct replicas, and nobody else, signed the same thing. @param isSigned whether that replica did */
export function isSignedByQuorum(
  signatures: readonly { replica: ReplicaId; signature: Uint8Array }[],
  { n, quorum }: Configuration,
  isSigned: (replica: ReplicaId, signature: Uint8Array) => boolean,
): boolean {
  const signers = new Set(signatures.map(({ replica }) => replica));
  if (signers.size !== signatures.length || signers.size < quorum || signers.size > n) return false;
  return signatures.every(({ replica, signature }) => replica < n && isSigned(replica, signature));
}

/** Whether 2f+1 distinct replicas signed that checkpoint. */
export function isCheckpointCertificate(
  { sequence, stateDigest, signatures }: CheckpointCertificate,
  configuration: Configuration,
  authentication: Authentication,
): boolean {
  if (sequence <= 0 || sequence % Limits.checkpointInterval !== 0) return false;
  return isSignedByQuorum(signatures, configuration, (replica, signature) =>
    authentication.verifyCheckpoint(sequence, stateDigest, replica, signature),
  );
}
