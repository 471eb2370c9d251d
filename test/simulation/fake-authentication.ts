import { hash } from 'node:crypto';
import type { UnsealedRequest } from '../../src/pbft/client.js';
import type {
  Digest,
  Forgotten,
  NewView,
  Numbered,
  OrderedBatch,
  Request,
  StartReport,
  Timestamp,
  ViewChange,
} from '../../src/pbft/messages.js';
import type { Authentication } from '../../src/pbft/ports.js';

const text = (bytes: Uint8Array): string =>
  (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).toString('latin1');

const sha = (content: string): Buffer => hash('sha256', content, 'buffer');

/** How requests are laid out, and what digests, signatures and MACs look like. */
export interface Form {
  requestBody(request: UnsealedRequest): Uint8Array;
  requestDigest(body: Uint8Array): Digest;
  batchDigest(time: Timestamp, requests: readonly { digest: Digest }[]): Digest;
  resultDigest(result: Uint8Array): Digest;
  chainDigest(previous: Digest, sequence: number, batchDigest: Digest): Digest;
  reportDigest(report: Omit<StartReport, 'signature'>): Digest;
  /** Of a text that names the signer. */
  signature(content: string): Uint8Array;
  readonly macBytes: number;
}

/** Where no message is ever encoded: whatever is quick to make. */
export const plainForm: Form = {
  requestBody({ session, readOnly, replier, calls }) {
    let content = `${session.client}/${session.instance} ${readOnly} ${replier}`;
    for (const { kind, slot, sequence, operation } of calls)
      content += `|${kind} ${slot} ${sequence} ${text(operation)}`;
    return Buffer.from(content, 'latin1');
  },
  requestDigest: (body) => sha(`request|${text(body)}`),
  batchDigest(time, requests) {
    let content = `batch|${time.seconds}.${time.nanoseconds}`;
    for (const request of requests) content += text(request.digest);
    return sha(content);
  },
  resultDigest: (result) => sha(`result|${text(result)}`),
  chainDigest: (previous, sequence, batchDigest) => sha(`chain|${text(previous)}|${sequence}|${text(batchDigest)}`),
  reportDigest: (report) => sha(reportContent(report)),
  signature: sha,
  macBytes: 1,
};

let form = plainForm;

/** Of all messages in the world to come, in this process: one world lives at a time. */
export function setForm(chosen: Form): void {
  form = chosen;
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const orderedBatches = (batches: readonly OrderedBatch[]): string =>
  batches.map(({ sequence, view, digest }) => `${sequence}.${view}.${text(digest)}`).join(',');

function viewChangeContent(message: Omit<ViewChange, 'signature'>): string {
  const { view, replica, certificate, prepared, prePrepared } = message;
  const checkpoint = certificate ? `${certificate.sequence}.${text(certificate.stateDigest)}` : '0';
  return `${view}|${replica}|${checkpoint}|${orderedBatches(prepared)}|${orderedBatches(prePrepared)}`;
}

const forgottenContent = ({ replica, incarnation, life, heard }: Omit<Forgotten, 'signature'>): string =>
  `forgotten|${replica}|${incarnation}|${life}|${heard.join(',')}`;

const numbered = (list: readonly Numbered[]): string =>
  list.map(({ sequence, digest }) => `${sequence}.${text(digest)}`).join(',');

function reportContent(report: Omit<StartReport, 'signature'>): string {
  const { replica, incarnation, certificate, flushed, checkpoints, ordered } = report;
  const checkpoint = certificate ? `${certificate.sequence}.${text(certificate.stateDigest)}` : '0';
  const flush = flushed ? `${flushed.sequence}.${text(flushed.digest)}` : '0';
  return `report|${replica}|${incarnation}|${checkpoint}|${flush}|${numbered(checkpoints)}|${numbered(ordered)}`;
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
    return form.batchDigest(time, requests);
  }

  resultDigest(result: Uint8Array): Digest {
    return form.resultDigest(result);
  }

  verifyRequestMac(request: Request): boolean {
    return request.authenticator[this.id * form.macBytes] === 1;
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
    return form.chainDigest(previous, sequence, batchDigest);
  }

  signFlushed(sequence: number, digest: Digest): Uint8Array {
    return flushedSignature(this.id, sequence, digest);
  }

  verifyFlushed(sequence: number, digest: Digest, replica: number, signature: Uint8Array): boolean {
    return same(flushedSignature(replica, sequence, digest), signature);
  }

  signViewChange(message: Omit<ViewChange, 'signature'>): Uint8Array {
    return form.signature(`view-change|${this.id}|${viewChangeContent(message)}`);
  }

  verifyViewChange(message: ViewChange): boolean {
    return same(form.signature(`view-change|${message.replica}|${viewChangeContent(message)}`), message.signature);
  }

  signNewView(view: number, viewChanges: readonly ViewChange[]): Uint8Array {
    return form.signature(`new-view|${this.id}|${newViewContent(view, viewChanges)}`);
  }

  verifyNewView(message: NewView, primary: number): boolean {
    return same(
      form.signature(`new-view|${primary}|${newViewContent(message.view, message.viewChanges)}`),
      message.signature,
    );
  }

  signForgotten(message: Omit<Forgotten, 'signature'>): Uint8Array {
    return form.signature(`${this.id}|${forgottenContent(message)}`);
  }

  verifyForgotten(message: Forgotten): boolean {
    return same(form.signature(`${message.replica}|${forgottenContent(message)}`), message.signature);
  }

  reportDigest(report: Omit<StartReport, 'signature'>): Digest {
    return form.reportDigest(report);
  }

  signReport(report: Omit<StartReport, 'signature'>): Uint8Array {
    return form.signature(`${this.id}|${reportContent(report)}`);
  }

  verifyReport(report: StartReport): boolean {
    return same(form.signature(`${report.replica}|${reportContent(report)}`), report.signature);
  }
}

const checkpointSignature = (replica: number, sequence: number, stateDigest: Digest): Uint8Array =>
  form.signature(`checkpoint|${replica}|${sequence}|${text(stateDigest)}`);

const flushedSignature = (replica: number, sequence: number, digest: Digest): Uint8Array =>
  form.signature(`flushed|${replica}|${sequence}|${text(digest)}`);

const clientSignature = ({ session, digest }: Pick<Request, 'session' | 'digest'>): Uint8Array =>
  form.signature(`client|${session.client}|${text(digest)}`);

const NO_SIGNATURE = new Uint8Array(0);

/** What a client sends: its body, and the digest, authenticator and signature that go with it. */
export function seal(unsealed: UnsealedRequest, replicas: number): Request {
  const { session, readOnly } = unsealed;
  const body = form.requestBody(unsealed);
  const digest = form.requestDigest(body);
  return {
    kind: 'request',
    ...unsealed,
    body,
    digest,
    authenticator: new Uint8Array(replicas * form.macBytes).fill(1),
    signature: readOnly ? NO_SIGNATURE : clientSignature({ session, digest }),
  };
}

/** Without what its client would have proven it by. */
export const unproven = (request: Request): Request => ({
  ...request,
  authenticator: new Uint8Array(request.authenticator.length),
  signature: new Uint8Array(request.signature.length),
});

/** A batch as its receiver decodes it: the digest is always that of the contents. */
export function batchOf<Each extends { digest: Digest }>(
  time: Timestamp,
  requests: Each[],
): { time: Timestamp; requests: Each[]; digest: Digest } {
  return { time, requests, digest: new FakeAuthentication(-1).batchDigest(time, requests) };
}
