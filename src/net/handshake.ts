/**
 * How two processes prove to each other who they are and agree on keys: a signed Diffie-Hellman exchange (SIGMA,
 * Krawczyk 2003, without hiding identities), two round trips:
 *
 *     dialer → acceptor   DialerHello:   version, cluster, role, id, epoch, encrypted, id dialed, ephemeral key, nonce
 *     acceptor → dialer   AcceptorHello: version, cluster, role, id, epoch, encrypted, ephemeral key, nonce;
 *                                        signature over both hellos
 *     dialer → acceptor   DialerProof:   signature over both hellos
 *     acceptor → dialer   Welcome:       nothing; a dialer's link is up only where the acceptor's is
 *
 * Whether the link is encrypted both know from the cluster file. It is said all the same, under the signatures, and what is
 * not as expected refused: nobody between them, and no error at one end, can have an encrypted link begin in the clear.
 *
 * Either side may answer Refusal, one line for people, and close. Records are length (u16) ‖ type (u8) ‖ content.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { ByteReader, ByteWriter } from '../bytes.js';
import { isLinkEncrypted } from '../cluster/encryption.js';
import { SIGNATURE_BYTES } from '../crypto/ed25519.js';
import { deriveLinkKeys, generateEphemeralKey, type LinkKeys, X25519_KEY_BYTES } from '../crypto/session-keys.js';
import type { LinkEnd } from '../crypto/signables.js';
import type { Digest } from '../pbft/messages.js';
import type { Peer } from './admission.js';
import type { NetContext } from './context.js';
import { Exchange, HandshakeError, type HandshakeOutcome, RecordType } from './exchange.js';

/** Of the wire: handshake, frames, messages, and the operations and results in them. */
export const PROTOCOL_VERSION = 7;

const NONCE_BYTES = 32;
const NOTHING = Buffer.alloc(0);

/** What an acceptor decides about a peer whose identity is proven: a reason to refuse it, or undefined. */
export type Admit = (peer: Peer) => HandshakeError | undefined;

/** Shakes hands with `replica`, which was dialed. `done` is called once; on an error the socket is closed. */
export function dialHandshake(
  socket: Socket,
  context: NetContext,
  replica: number,
  done: (outcome: HandshakeOutcome) => void,
): void {
  const ephemeral = generateEphemeralKey();
  const isEncrypted = isLinkEncrypted(context.cluster, replica, context);
  const dialerHello = encodeHello(context, isEncrypted, ephemeral.publicKey, replica);
  const exchange = new Exchange(socket, context, done);
  exchange.send(RecordType.DialerHello, dialerHello);
  exchange.receive(RecordType.AcceptorHello, (content) => {
    const signed = Math.max(0, content.length - SIGNATURE_BYTES);
    const hello = decodeHello(content.subarray(0, signed), context, 'acceptor');
    if (hello.peer.role !== 'replica' || hello.peer.id !== replica) {
      throw new HandshakeError('not-dialed', `replica ${replica} was dialed, ${describe(hello.peer)} answered`);
    }
    const id = context.signables.channel(dialerHello, content.subarray(0, signed));
    verifySignature(context, hello.peer, 'acceptor', id, content.subarray(signed));
    checkEpoch(context, hello);
    checkEncryption(hello, isEncrypted);
    const keys = keysOf(context, ephemeral.agree(hello.ephemeral), id, isEncrypted);
    exchange.send(RecordType.DialerProof, context.signingKey.sign(context.signables.handshake('dialer', id)));
    exchange.receive(RecordType.Welcome, () =>
      exchange.finish({ end: 'dialer', peer: hello.peer, id, keys, isEncrypted }),
    );
  });
}

/**
 * Shakes hands with whoever connected. `done` is called once, later; on an error the socket is closed.
 * @returns how to break it off
 */
export function acceptHandshake(
  socket: Socket,
  context: NetContext,
  admit: Admit,
  done: (outcome: HandshakeOutcome) => void,
): (error: HandshakeError) => void {
  const exchange = new Exchange(socket, context, done);
  exchange.receive(RecordType.DialerHello, (dialerHello) => {
    const hello = decodeHello(dialerHello, context, 'dialer');
    const { peer } = hello;
    if (hello.dialed !== context.id) {
      throw new HandshakeError('not-dialed', `replica ${hello.dialed} was dialed, this is replica ${context.id}`);
    }
    if (peer.role === 'replica' && peer.id <= context.id) {
      throw new HandshakeError('not-dialed', `of two replicas the one of the higher id dials, not ${describe(peer)}`);
    }
    const isEncrypted = isLinkEncrypted(context.cluster, context.id, peer);
    checkEncryption(hello, isEncrypted);
    const ephemeral = generateEphemeralKey();
    const acceptorHello = encodeHello(context, isEncrypted, ephemeral.publicKey, undefined);
    const id = context.signables.channel(dialerHello, acceptorHello);
    const signature = context.signingKey.sign(context.signables.handshake('acceptor', id));
    const keys = keysOf(context, ephemeral.agree(hello.ephemeral), id, isEncrypted);
    exchange.send(RecordType.AcceptorHello, Buffer.concat([acceptorHello, signature]));
    exchange.receive(RecordType.DialerProof, (proof) => {
      verifySignature(context, peer, 'dialer', id, proof);
      checkEpoch(context, hello);
      const refusal = admit(peer);
      if (refusal !== undefined) throw refusal;
      exchange.send(RecordType.Welcome, NOTHING);
      exchange.finish({ end: 'acceptor', peer, id, keys, isEncrypted });
    });
  });
  return (error) => exchange.fail(error);
}

const describe = ({ role, id }: Peer): string => `${role} ${id}`;

/** @param dialed the replica dialed; undefined in an acceptor's hello */
function encodeHello(
  { cluster, role, id, epoch }: NetContext,
  isEncrypted: boolean,
  ephemeral: Uint8Array,
  dialed: number | undefined,
): Buffer {
  const w = new ByteWriter();
  w.u16(PROTOCOL_VERSION)
    .raw(cluster.id)
    .bool(role === 'client')
    .u32(id)
    .u64(epoch)
    .bool(isEncrypted);
  if (dialed !== undefined) w.u32(dialed);
  return w.raw(ephemeral).raw(randomBytes(NONCE_BYTES)).finish();
}

interface Hello {
  peer: Peer;
  epoch: number;
  isEncrypted: boolean;
  dialed: number | undefined;
  ephemeral: Buffer;
}

function decodeHello(bytes: Buffer, context: NetContext, end: LinkEnd): Hello {
  const r = new ByteReader(bytes);
  const version = r.u16();
  if (version !== PROTOCOL_VERSION) {
    throw new HandshakeError('version', `protocol version ${version} offered, version ${PROTOCOL_VERSION} spoken here`);
  }
  const cluster = r.raw(32);
  if (!cluster.equals(context.cluster.id)) {
    throw new HandshakeError('other-cluster', `another cluster, ${cluster.toString('hex', 0, 4)}.., is meant`);
  }
  const peer: Peer = { role: r.bool() ? 'client' : 'replica', id: r.u32() };
  const epoch = r.u64();
  const isEncrypted = r.bool();
  const dialed = end === 'dialer' ? r.u32() : undefined;
  const ephemeral = r.raw(X25519_KEY_BYTES);
  r.raw(NONCE_BYTES);
  r.end();
  if (context.keyOf(peer.role, peer.id) === undefined) {
    throw new HandshakeError('unknown-peer', `${describe(peer)} is not registered`);
  }
  return { peer, epoch, isEncrypted, dialed, ephemeral };
}

function verifySignature(context: NetContext, peer: Peer, end: LinkEnd, id: Digest, signature: Uint8Array): void {
  const key = context.keyOf(peer.role, peer.id);
  if (!key?.verify(context.signables.handshake(end, id), signature)) {
    throw new HandshakeError('bad-signature', `the signature is not by the key registered for ${describe(peer)}`);
  }
}

/** Only once the signature is known to be right: anyone can claim an epoch. */
function checkEpoch({ epochs }: NetContext, { peer, epoch }: Hello): void {
  const fault = epochs.fault(peer, epoch, Date.now());
  if (fault === 'old-epoch') throw new HandshakeError(fault, `a later process of ${describe(peer)} is known`);
  if (fault === 'future-epoch') {
    throw new HandshakeError(fault, `${describe(peer)} says it was started in the future: one of the clocks is wrong`);
  }
}

function checkEncryption({ peer, isEncrypted }: Hello, expected: boolean): void {
  if (isEncrypted === expected) return;
  const [theirs, ours] = isEncrypted ? ['encrypted', 'in the clear'] : ['in the clear', 'encrypted'];
  throw new HandshakeError('encryption', `${describe(peer)} means this link to be ${theirs}, it is to be ${ours}`);
}

function keysOf(context: NetContext, sharedSecret: Buffer | undefined, id: Digest, isEncrypted: boolean): LinkKeys {
  if (sharedSecret === undefined) throw new HandshakeError('weak-key', 'the ephemeral key has small order');
  return deriveLinkKeys(sharedSecret, id, context.signables.linkKeysInfo, isEncrypted);
}
