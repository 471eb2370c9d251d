import { hash } from 'node:crypto';
import type { UnsealedRequest } from '../../src/pbft/client.js';
import type { Digest, NewView, OrderedBatch, Request, Timestamp, ViewChange } from '../../src/pbft/messages.js';
import type { Authentication } from '../../src/pbft/ports.js';

const text = (bytes: Uint8Array): string =>
  (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).toString('latin1');

const sha = (content: string): Buffer => hash('sha256', content, 'buffer');

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const orderedBatches = (batches: readonly OrderedBatch[]): string =>
  batches.map(({ sequence, view, digest }) => `${sequence}.${view}.${text(digest)}`).join(',');

function viewChangeContent(message: Omit<ViewChange, 'signature'>): string {
  const { view, replica, certificate, prepared, prePrepared } = message;
  const checkpoint = certificate ? `${certificate.sequence}.${text(certificate.stateDigest)}` : '0';
  return `${view}|${replica}|${checkpoint}|${orderedBatches(prepared)}|${orderedBatches(prePrepared)}`;
}

const newViewContent = (view: number, viewChanges: readonly ViewChange[]): string =>
  `${view}|${viewChanges.map(viewChangeContent).join('||')}`;

/**
 * Digests are real; a "signature" is a digest with the signer's name. Nobody forges one, since a Byzantine replica is
 * given its own `FakeAuthentication` and no other.
 */
export class FakeAuthentication implements Authentication {
  constructor(private readonly id: number) {}

  batchDigest(time: Timestamp, requests: readonly { digest: Digest }[]): Digest {
    let content = `batch|${time.seconds}.${time.nanoseconds}`;
    for (const request of requests) content += text(request.digest);
    return sha(content);
  }

  resultDigest(result: Uint8Array): Digest {
    return sha(`result|${text(result)}`);
  }

  verifyRequestMac(request: Request): boolean {
    return request.authenticator[this.id] === 1;
  }

  verifyRequestSignature(request: Request): boolean {
    return same(clientSignature(request), request.signature);
  }

  signCheckpoint(sequence: number, stateDigest: Digest): Uint8Array {
    return checkpointSignature(this.id, sequence, stateDigest);
  }

  verifyCheckpoint(sequence: number, stateDigest: Digest, replica: number, signature: Uint8Array): boolean {
    return same(checkpointSignature(replica, sequence, stateDigest), signature);
  }

  chainDigest(previous: Digest, sequence: number, batchDigest: Digest): Digest {
    return sha(`chain|${text(previous)}|${sequence}|${text(batchDigest)}`);
  }

  signFlushed(sequence: number, digest: Digest): Uint8Array {
    return flushedSignature(this.id, sequence, digest);
  }

  verifyFlushed(sequence: number, digest: Digest, replica: number, signature: Uint8Array): boolean {
    return same(flushedSignature(replica, sequence, digest), signature);
  }

  signViewChange(message: Omit<ViewChange, 'signature'>): Uint8Array {
    return sha(`view-change|${this.id}|${viewChangeContent(message)}`);
  }

  verifyViewChange(message: ViewChange): boolean {
    return same(sha(`view-change|${message.replica}|${viewChangeContent(message)}`), message.signature);
  }

  signNewView(view: number, viewChanges: readonly ViewChange[]): Uint8Array {
    return sha(`new-view|${this.id}|${newViewContent(view, viewChanges)}`);
  }

  verifyNewView(message: NewView, primary: number): boolean {
    return same(sha(`new-view|${primary}|${newViewContent(message.view, message.viewChanges)}`), message.signature);
  }
}

const checkpointSignature = (replica: number, sequence: number, stateDigest: Digest): Buffer =>
  sha(`checkpoint|${replica}|${sequence}|${text(stateDigest)}`);

const flushedSignature = (replica: number, sequence: number, digest: Digest): Buffer =>
  sha(`flushed|${replica}|${sequence}|${text(digest)}`);

const clientSignature = ({ session, digest }: Pick<Request, 'session' | 'digest'>): Buffer =>
  sha(`client|${session.client}|${text(digest)}`);

/** What a client sends: its body, and the digest, authenticator and signature that go with it. */
export function seal(unsealed: UnsealedRequest, replicas: number): Request {
  const { session, readOnly, replier } = unsealed;
  let content = `${session.client}/${session.instance} ${readOnly} ${replier}`;
  for (const { kind, slot, sequence, operation } of unsealed.calls) {
    content += `|${kind} ${slot} ${sequence} ${text(operation)}`;
  }
  const body = Buffer.from(content, 'latin1');
  const digest = sha(`request|${content}`);
  return {
    kind: 'request',
    ...unsealed,
    body,
    digest,
    authenticator: new Uint8Array(replicas).fill(1),
    signature: clientSignature({ session, digest }),
  };
}

/** A batch as its receiver decodes it: the digest is always that of the contents. */
export function batchOf<Each extends { digest: Digest }>(
  time: Timestamp,
  requests: Each[],
): { time: Timestamp; requests: Each[]; digest: Digest } {
  return { time, requests, digest: new FakeAuthentication(-1).batchDigest(time, requests) };
}
