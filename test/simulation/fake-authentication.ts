import { createHash } from 'node:crypto';
import type { UnsealedRequest } from '../../src/pbft/client.js';
import type { Digest, Request, Timestamp } from '../../src/pbft/messages.js';
import type { Authentication } from '../../src/pbft/ports.js';

const sha = (...parts: (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('|');
  return hash.digest();
};

/** Digests are real; "signatures" are digests with the signer's name, which nobody in the simulation forges. */
export class FakeAuthentication implements Authentication {
  constructor(private readonly id: number) {}

  batchDigest(time: Timestamp, requests: readonly Request[]): Digest {
    return sha('batch', `${time.seconds}.${time.nanoseconds}`, ...requests.map((request) => request.digest));
  }

  resultDigest(result: Uint8Array): Digest {
    return sha('result', result);
  }

  verifyRequestMac(request: Request): boolean {
    return request.authenticator[this.id] === 1;
  }

  verifyRequestSignature(request: Request): boolean {
    return sha('client', request.digest).equals(request.signature);
  }

  signCheckpoint(sequence: number, stateDigest: Digest): Uint8Array {
    return sha('checkpoint', String(this.id), String(sequence), stateDigest);
  }

  verifyCheckpoint(sequence: number, stateDigest: Digest, replica: number, signature: Uint8Array): boolean {
    return sha('checkpoint', String(replica), String(sequence), stateDigest).equals(signature);
  }
}

export function seal(unsealed: UnsealedRequest, replicas: number): Request {
  const body = Buffer.from(
    JSON.stringify({
      ...unsealed,
      calls: unsealed.calls.map((call) => ({ ...call, operation: Buffer.from(call.operation).toString('hex') })),
    }),
  );
  const digest = sha('request', body);
  return {
    kind: 'request',
    ...unsealed,
    body,
    digest,
    authenticator: new Uint8Array(replicas).fill(1),
    signature: sha('client', digest),
  };
}
