/**
 * What a replica and a client make and check under their own keys: MACs in the normal case, signatures where proof must
 * travel (DESIGN 3.3, TOCS '02 §3.2).
 */
import type { Cluster, Identity } from '../cluster/types.js';
import { assert } from '../limits.js';
import type {
  Digest,
  Forgotten,
  NewView,
  ReplicaId,
  Request,
  SequenceNumber,
  SessionId,
  StartReport,
  Timestamp,
  View,
  ViewChange,
} from '../pbft/messages.js';
import type { Authentication } from '../pbft/ports.js';
import { buildAuthenticator, verifyAuthenticator } from './authenticator.js';
import { SigningKey, VerifyingKey } from './ed25519.js';
import type { MacKey } from './macs.js';
import { Signables } from './signables.js';

export interface ReplicaAuthenticationOptions {
  cluster: Cluster;
  /** Of this replica. */
  identity: Identity;
  /** The key of a client that is registered, as far as this replica has come. */
  clientKey: (client: number) => VerifyingKey | undefined;
  /** The keys shared with the process at the other end of that session, the current one first; empty if there is none. */
  authenticatorKeys: (session: SessionId) => readonly MacKey[];
}

/**
 * With `requestAuthentication: mac` requests are not signed, and whoever asks for a signature is content with this
 * replica's MAC: as in the paper, a client with crooked authenticators can then cost a view change, and a request that
 * only f+1 others can vouch for is taken on their word. It is there for comparison.
 */
export class ReplicaAuthentication implements Authentication {
  readonly signables: Signables;
  private readonly me: ReplicaId;
  private readonly signingKey: SigningKey;
  private readonly replicaKeys: readonly VerifyingKey[];
  private readonly clientKey: (client: number) => VerifyingKey | undefined;
  private readonly macsSuffice: boolean;
  private readonly authenticatorKeys: (session: SessionId) => readonly MacKey[];

  constructor({ cluster, identity, clientKey, authenticatorKeys }: ReplicaAuthenticationOptions) {
    assert(identity.role === 'replica', 'a replica authenticates as one');
    this.signables = new Signables(cluster.id);
    this.me = identity.id;
    this.signingKey = new SigningKey(identity.seed);
    this.replicaKeys = cluster.replicas.map((replica) => new VerifyingKey(replica.publicKey));
    this.clientKey = clientKey;
    this.macsSuffice = cluster.requestAuthentication === 'mac';
    this.authenticatorKeys = authenticatorKeys;
  }

  batchDigest(time: Timestamp, requests: readonly { digest: Digest }[]): Digest {
    return this.signables.batch(
      time,
      requests.map((request) => request.digest),
    );
  }

  resultDigest(result: Uint8Array): Digest {
    return this.signables.resultDigest(result);
  }

  verifyRequestMac(request: Request): boolean {
    if (this.clientKey(request.session.client) === undefined) return false;
    return verifyAuthenticator(request.digest, request.authenticator, this.me, this.authenticatorKeys(request.session));
  }

  verifyRequestSignature(request: Request): boolean {
    if (this.macsSuffice && request.signature.length === 0) return this.verifyRequestMac(request);
    return this.clientKey(request.session.client)?.verify(request.digest, request.signature) ?? false;
  }

  signCheckpoint(sequence: SequenceNumber, stateDigest: Digest): Uint8Array {
    return this.signingKey.sign(this.signables.checkpoint(sequence, stateDigest, this.me));
  }

  verifyCheckpoint(sequence: SequenceNumber, stateDigest: Digest, replica: ReplicaId, signature: Uint8Array): boolean {
    const key = this.replicaKeys[replica];
    return key?.verify(this.signables.checkpoint(sequence, stateDigest, replica), signature) ?? false;
  }

  chainDigest(previous: Digest, sequence: SequenceNumber, batchDigest: Digest): Digest {
    return this.signables.chain(previous, sequence, batchDigest);
  }

  signFlushed(sequence: SequenceNumber, digest: Digest): Uint8Array {
    return this.signingKey.sign(this.signables.flushed(sequence, digest, this.me));
  }

  verifyFlushed(sequence: SequenceNumber, digest: Digest, replica: ReplicaId, signature: Uint8Array): boolean {
    const key = this.replicaKeys[replica];
    return key?.verify(this.signables.flushed(sequence, digest, replica), signature) ?? false;
  }

  signViewChange(message: Omit<ViewChange, 'signature'>): Uint8Array {
    assert(message.replica === this.me, 'a replica signs its own view-changes');
    return this.signingKey.sign(this.signables.viewChange(message));
  }

  verifyViewChange(message: ViewChange): boolean {
    const key = this.replicaKeys[message.replica];
    return key?.verify(this.signables.viewChange(message), message.signature) ?? false;
  }

  signNewView(view: View, viewChanges: readonly ViewChange[]): Uint8Array {
    return this.signingKey.sign(this.signables.newView(view, viewChanges));
  }

  verifyNewView({ view, viewChanges, signature }: NewView, primary: ReplicaId): boolean {
    const key = this.replicaKeys[primary];
    return key?.verify(this.signables.newView(view, viewChanges), signature) ?? false;
  }

  signForgotten(message: Omit<Forgotten, 'signature'>): Uint8Array {
    assert(message.replica === this.me, 'a replica signs its own claims');
    return this.signingKey.sign(this.signables.forgotten(message));
  }

  verifyForgotten(message: Forgotten): boolean {
    const key = this.replicaKeys[message.replica];
    return key?.verify(this.signables.forgotten(message), message.signature) ?? false;
  }

  reportDigest(report: Omit<StartReport, 'signature'>): Digest {
    return this.signables.report(report);
  }

  signReport(report: Omit<StartReport, 'signature'>): Uint8Array {
    assert(report.replica === this.me, 'a replica signs its own reports');
    return this.signingKey.sign(this.signables.report(report));
  }

  verifyReport(report: StartReport): boolean {
    const key = this.replicaKeys[report.replica];
    return key?.verify(this.signables.report(report), report.signature) ?? false;
  }
}

const NO_SIGNATURE = Buffer.alloc(0);

export interface SealedRequest {
  digest: Digest;
  authenticator: Buffer;
  /** Empty on read-only requests, which are checked by MAC alone, and where the cluster does without. */
  signature: Buffer;
}

/** A client's side of it. */
export class ClientAuthentication {
  readonly signables: Signables;
  private readonly signingKey: SigningKey;
  private readonly signs: boolean;

  constructor(cluster: Cluster, identity: Identity) {
    assert(identity.role === 'client', 'a client authenticates as one');
    this.signables = new Signables(cluster.id);
    this.signingKey = new SigningKey(identity.seed);
    this.signs = cluster.requestAuthentication === 'signature';
  }

  /**
   * Authenticates a request.
   * @param body what `encodeRequestBody` yields
   * @param keysByReplica n entries: the key shared with each replica now, undefined for those without a link
   */
  seal(body: Uint8Array, readOnly: boolean, keysByReplica: readonly (MacKey | undefined)[]): SealedRequest {
    const digest = this.signables.request(body);
    return {
      digest,
      authenticator: buildAuthenticator(digest, keysByReplica),
      signature: this.signs && !readOnly ? this.signingKey.sign(digest) : NO_SIGNATURE,
    };
  }

  resultDigest(result: Uint8Array): Digest {
    return this.signables.resultDigest(result);
  }
}
