import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/cluster/types.js';
import { ClientAuthentication, ReplicaAuthentication } from '../../../src/crypto/authentication.js';
import { SigningKey } from '../../../src/crypto/ed25519.js';
import { MacKey } from '../../../src/crypto/macs.js';
import { keysIn } from '../../../src/net/context.js';
import { ALL_OPTIMIZATIONS } from '../../../src/pbft/configuration.js';
import {
  CallKind,
  type NewView,
  READ_ONLY_SLOT,
  type Request,
  type SessionId,
  type ViewChange,
} from '../../../src/pbft/messages.js';
import { encodeRequestBody } from '../../../src/wire/request-body.js';

const seed = (byte: number): Buffer => Buffer.alloc(32, byte);
const publicKey = (byte: number): Buffer => new SigningKey(seed(byte)).publicKey;

function cluster(requestAuthentication: 'signature' | 'mac'): Cluster {
  return {
    id: Buffer.alloc(32, 0xc1),
    f: 1,
    replicas: [0, 1, 2, 3].map((id) => ({ id, host: '127.0.0.1', port: 1, publicKey: publicKey(id) })),
    clients: [{ id: 0, name: 'mount', publicKey: publicKey(100) }],
    capacityBytes: 1,
    capacityInodes: 1,
    rootUid: 0,
    rootGid: 0,
    createdSeconds: 0,
    durability: 'buffered',
    requestAuthentication,
    recoveryPeriodSeconds: 0,
    encryption: 'auto',
    ownerSignatures: 0,
    optimizations: { ...ALL_OPTIMIZATIONS },
  };
}

const keys = [0, 1, 2, 3].map((id) => new MacKey(seed(50 + id)));

function replica(id: number, c = cluster('signature'), shared: readonly MacKey[] = [keys[id]]): ReplicaAuthentication {
  const authenticatorKeys = ({ instance }: SessionId): readonly MacKey[] => (instance === 7 ? shared : []);
  return new ReplicaAuthentication({
    cluster: c,
    identity: { role: 'replica', id, seed: seed(id) },
    clientKey: keysIn(c),
    authenticatorKeys,
  });
}

function sealed(
  c: Cluster,
  { readOnly = false, client = 0, instance = 7, signer = 100, macs = keys as (MacKey | undefined)[] } = {},
): Request {
  const call = {
    kind: CallKind.Service,
    slot: readOnly ? READ_ONLY_SLOT : 0,
    sequence: 1,
    operation: Buffer.from('op'),
  };
  const content = { session: { client, instance }, readOnly, replier: 0, calls: [call] };
  const body = encodeRequestBody(content);
  const authentication = new ClientAuthentication(c, { role: 'client', id: client, seed: seed(signer) });
  return { kind: 'request', ...content, body, ...authentication.seal(body, readOnly, macs) };
}

describe('requests', () => {
  const c = cluster('signature');

  it('are authentic to every replica, by MAC and by signature', () => {
    const request = sealed(c);
    for (const id of [0, 1, 2, 3]) {
      expect(replica(id).verifyRequestMac(request)).toBe(true);
      expect(replica(id).verifyRequestSignature(request)).toBe(true);
    }
    expect(request.authenticator.length).toBe(64);
  });

  it('with a crooked authenticator are authentic by signature alone', () => {
    const request = sealed(c, { macs: [keys[0], undefined, keys[0], keys[3]] });
    expect([0, 1, 2, 3].map((id) => replica(id).verifyRequestMac(request))).toEqual([true, false, false, true]);
    expect(replica(1).verifyRequestSignature(request)).toBe(true);
  });

  it('of another signer, an unknown client or an unknown session are not', () => {
    expect(replica(0).verifyRequestSignature(sealed(c, { signer: 101 }))).toBe(false);
    const stranger = sealed(c, { client: 1 });
    expect([replica(0).verifyRequestMac(stranger), replica(0).verifyRequestSignature(stranger)]).toEqual([
      false,
      false,
    ]);
    expect(replica(0).verifyRequestMac(sealed(c, { instance: 8 }))).toBe(false);
  });

  it('under the key before the current one are authentic while that is accepted', () => {
    expect(replica(0, c, [new MacKey(seed(9)), keys[0]]).verifyRequestMac(sealed(c))).toBe(true);
    expect(replica(0, c, [new MacKey(seed(9))]).verifyRequestMac(sealed(c))).toBe(false);
  });

  it('that are read-only carry no signature, and none is found right', () => {
    const request = sealed(c, { readOnly: true });
    expect(request.signature.length).toBe(0);
    expect([replica(2).verifyRequestMac(request), replica(2).verifyRequestSignature(request)]).toEqual([true, false]);
  });

  it('are not signed where MACs suffice, and the MAC is asked instead', () => {
    const macs = cluster('mac');
    const request = sealed(macs);
    expect(request.signature.length).toBe(0);
    expect(replica(1, macs).verifyRequestSignature(request)).toBe(true);
    expect(replica(1, macs).verifyRequestSignature(sealed(macs, { macs: [] }))).toBe(false);
    expect(replica(1, c).verifyRequestSignature(request)).toBe(false);
  });
});

describe('checkpoints', () => {
  it('are verified by all, for that replica, sequence number and state only', () => {
    const [d1, d2] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    const signature = replica(2).signCheckpoint(128, d1);
    expect(replica(0).verifyCheckpoint(128, d1, 2, signature)).toBe(true);
    expect(replica(0).verifyCheckpoint(128, d1, 1, signature)).toBe(false);
    expect(replica(0).verifyCheckpoint(129, d1, 2, signature)).toBe(false);
    expect(replica(0).verifyCheckpoint(128, d2, 2, signature)).toBe(false);
    expect(replica(0).verifyCheckpoint(128, d1, 9, signature)).toBe(false);
    expect(replica(0).verifyCheckpoint(128, d1, 2, new Uint8Array(0))).toBe(false);
  });
});

describe('view-changes and new-views', () => {
  const unsigned = (id: number, view = 4): Omit<ViewChange, 'signature'> => ({
    kind: 'view-change',
    view,
    replica: id,
    certificate: { sequence: 128, stateDigest: seed(1), signatures: [{ replica: 0, signature: seed(2) }] },
    prepared: [{ sequence: 129, digest: seed(3), view: 1 }],
    prePrepared: [{ sequence: 130, digest: seed(4), view: 2 }],
  });
  const viewChange = (id: number): ViewChange => ({
    ...unsigned(id),
    signature: replica(id).signViewChange(unsigned(id)),
  });

  it('are verified by all, for their sender and content only', () => {
    const message = viewChange(2);
    expect(replica(0).verifyViewChange(message)).toBe(true);
    expect(replica(0).verifyViewChange({ ...message, view: 5 })).toBe(false);
    expect(replica(0).verifyViewChange({ ...message, prepared: [] })).toBe(false);
    expect(replica(0).verifyViewChange({ ...message, replica: 1 })).toBe(false);
    expect(replica(0).verifyViewChange({ ...message, replica: 9 })).toBe(false);
    expect(replica(0).verifyViewChange({ ...message, signature: viewChange(1).signature })).toBe(false);
    // Its proof proves itself, and who relays it may hold another.
    const certificate = { ...message.certificate!, signatures: [] };
    expect(replica(0).verifyViewChange({ ...message, certificate })).toBe(true);
  });

  it('are signed by their sender alone', () => {
    expect(() => replica(1).signViewChange(unsigned(2))).toThrow(/its own/);
  });

  it('begin a view for its primary, its number and those view-changes only', () => {
    const viewChanges = [viewChange(0), viewChange(1), viewChange(3)];
    const signature = replica(1).signNewView(4, viewChanges);
    const message: NewView = { kind: 'new-view', view: 4, viewChanges, signature };
    expect(replica(3).verifyNewView(message, 1)).toBe(true);
    expect(replica(3).verifyNewView(message, 2)).toBe(false);
    expect(replica(3).verifyNewView(message, 9)).toBe(false);
    expect(replica(3).verifyNewView({ ...message, view: 5 }, 1)).toBe(false);
    expect(replica(3).verifyNewView({ ...message, viewChanges: viewChanges.slice(1) }, 1)).toBe(false);
    const other = { ...viewChanges[2], prePrepared: [] };
    expect(replica(3).verifyNewView({ ...message, viewChanges: viewChanges.with(2, other) }, 1)).toBe(false);
    // A view-change's own signature is looked at by itself.
    expect(
      replica(3).verifyNewView({ ...message, viewChanges: viewChanges.with(2, { ...viewChanges[2], signature }) }, 1),
    ).toBe(true);
  });
});
