import type { Configuration } from './configuration.js';
import type { ReplicaId } from './messages.js';

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
