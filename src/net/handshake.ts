/**
 * How two processes prove to each other who they are and agree on keys: a signed Diffie-Hellman exchange (SIGMA,
 * Krawczyk 2003, without hiding identities), two round trips:
 *
 *     dialer → acceptor   DialerHello:   version, cluster, role, id, epoch, id dialed, ephemeral key, nonce
 *     acceptor → dialer   AcceptorHello: version, cluster, role, id, epoch, ephemeral key, nonce; signature over both hellos
 *     dialer → acceptor   DialerProof:   signature over both hellos
 *     acceptor → dialer   Welcome:       nothing; a dialer's link is up only where the acceptor's is
 *
 * Either side may answer Refusal, one line for people, and close. Records are length (u16) ‖ type (u8) ‖ content.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { ByteReader, ByteWriter, MalformedBytes } from '../bytes.js';
import { SIGNATURE_BYTES } from '../crypto/ed25519.js';
import { deriveLinkKeys, generateEphemeralKey, type LinkKeys, X25519_KEY_BYTES } from '../crypto/session-keys.js';
import type { LinkEnd } from '../crypto/signables.js';
import { assert } from '../limits.js';
import type { Digest } from '../pbft/messages.js';
import type { Peer } from './admission.js';
import type { NetContext } from './context.js';

/** Of the wire: handshake, frames, messages, and the operations and results in them. */
export const PROTOCOL_VERSION = 6;

/** Largest record. */
const RECORD_BYTES = 512;
const NONCE_BYTES = 32;
const REFUSAL_BYTES = 200;
const NOTHING = Buffer.alloc(0);

const RecordType = { DialerHello: 1, AcceptorHello: 2, DialerProof: 3, Welcome: 4, Refusal: 5 } as const;

/** Why a connection did not become a link. */
export type HandshakeFault =
  | 'malformed'
  | 'version'
  | 'other-cluster'
  | 'unknown-peer'
  | 'not-dialed'
  | 'bad-signature'
  | 'weak-key'
  /** A process that a later one of the same replica has taken the place of. */
  | 'old-epoch'
  /** The clock of one of the two is wrong. */
  | 'future-epoch'
  | 'timeout'
  /** Too many connections, of strangers or of one client. */
  | 'busy'
  /** The other end refused us. */
  | 'refused'
  | 'disconnected';

export class HandshakeError extends Error {
  override name = 'HandshakeError';
  constructor(
    readonly code: HandshakeFault,
    message: string,
  ) {
    super(message);
  }
}

/** Two authenticated ends and their first keys. */
export interface Channel {
  readonly end: LinkEnd;
  readonly peer: Peer;
  /** Names the connection in everything signed on it later. */
  readonly id: Digest;
  readonly keys: LinkKeys;
  /** What was received after the handshake: the first frames. */
  readonly rest: Buffer;
}

export type HandshakeOutcome = Channel | HandshakeError;

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
  const dialerHello = encodeHello(context, ephemeral.publicKey, replica);
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
    const keys = keysOf(context, ephemeral.agree(hello.ephemeral), id);
    exchange.send(RecordType.DialerProof, context.signingKey.sign(context.signables.handshake('dialer', id)));
    exchange.receive(RecordType.Welcome, () => exchange.finish({ end: 'dialer', peer: hello.peer, id, keys }));
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
    const ephemeral = generateEphemeralKey();
    const acceptorHello = encodeHello(context, ephemeral.publicKey, undefined);
    const id = context.signables.channel(dialerHello, acceptorHello);
    const signature = context.signingKey.sign(context.signables.handshake('acceptor', id));
    const keys = keysOf(context, ephemeral.agree(hello.ephemeral), id);
    exchange.send(RecordType.AcceptorHello, Buffer.concat([acceptorHello, signature]));
    exchange.receive(RecordType.DialerProof, (proof) => {
      verifySignature(context, peer, 'dialer', id, proof);
      checkEpoch(context, hello);
      const refusal = admit(peer);
      if (refusal !== undefined) throw refusal;
      exchange.send(RecordType.Welcome, NOTHING);
      exchange.finish({ end: 'acceptor', peer, id, keys });
    });
  });
  return (error) => exchange.fail(error);
}

const describe = ({ role, id }: Peer): string => `${role} ${id}`;

/** @param dialed the replica dialed; undefined in an acceptor's hello */
function encodeHello(
  { cluster, role, id, epoch }: NetContext,
  ephemeral: Uint8Array,
  dialed: number | undefined,
): Buffer {
  const w = new ByteWriter();
  w.u16(PROTOCOL_VERSION)
    .raw(cluster.id)
    .bool(role === 'client')
    .u32(id)
    .u64(epoch);
  if (dialed !== undefined) w.u32(dialed);
  return w.raw(ephemeral).raw(randomBytes(NONCE_BYTES)).finish();
}

interface Hello {
  peer: Peer;
  epoch: number;
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
  const dialed = end === 'dialer' ? r.u32() : undefined;
  const ephemeral = r.raw(X25519_KEY_BYTES);
  r.raw(NONCE_BYTES);
  r.end();
  if (context.keyOf(peer.role, peer.id) === undefined) {
    throw new HandshakeError('unknown-peer', `${describe(peer)} is not registered`);
  }
  return { peer, epoch, dialed, ephemeral };
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

function keysOf(context: NetContext, sharedSecret: Buffer | undefined, id: Digest): LinkKeys {
  if (sharedSecret === undefined) throw new HandshakeError('weak-key', 'the ephemeral key has small order');
  return deriveLinkKeys(sharedSecret, id, context.signables.linkKeysInfo);
}

/** Records over a socket until the handshake is over, one way or the other; bounded in bytes and in time. */
class Exchange {
  private received: Buffer = NOTHING;
  private expected: number | undefined;
  private onRecord: ((content: Buffer) => void) | undefined;
  private over = false;
  private channel: Omit<Channel, 'rest'> | undefined;
  private readonly timer: NodeJS.Timeout;
  private readonly onData = (chunk: Buffer): void => this.feed(chunk);
  private readonly onClose = (): void => this.fail(new HandshakeError('disconnected', 'the connection was closed'));

  constructor(
    private readonly socket: Socket,
    { timings }: NetContext,
    private readonly done: (outcome: HandshakeOutcome) => void,
  ) {
    const seconds = timings.handshakeMs / 1000;
    this.timer = setTimeout(
      () => this.fail(new HandshakeError('timeout', `not over after ${seconds} s`)),
      timings.handshakeMs,
    );
    socket.on('data', this.onData);
    socket.on('close', this.onClose);
  }

  send(type: number, content: Uint8Array): void {
    this.socket.write(new ByteWriter().u16(content.length).u8(type).raw(content).finish());
  }

  /** Waits for a record of that type. */
  receive(type: number, onRecord: (content: Buffer) => void): void {
    this.expected = type;
    this.onRecord = onRecord;
  }

  /** Ends the handshake; `done` hears of it when the record at hand is dealt with. */
  finish(channel: Omit<Channel, 'rest'>): void {
    this.detach();
    this.channel = channel;
  }

  private feed(chunk: Buffer): void {
    // A copy: the chunk may be a buffer that is read into again.
    this.received = Buffer.concat([this.received, chunk]);
    try {
      while (!this.over && this.takeRecord());
    } catch (error) {
      this.fail(asHandshakeError(error));
    }
    if (this.channel !== undefined) this.done({ ...this.channel, rest: this.received });
  }

  /** Handles the first record if all of it is here. */
  private takeRecord(): boolean {
    if (this.received.length < 3) return false;
    const length = this.received.readUInt16BE(0);
    const type = this.received[2];
    if (length > RECORD_BYTES) throw new HandshakeError('malformed', `a handshake record of ${length} bytes`);
    if (this.received.length < 3 + length) return false;
    const content = this.received.subarray(3, 3 + length);
    this.received = this.received.subarray(3 + length);
    if (type === RecordType.Refusal)
      throw new HandshakeError('refused', `refused by the other end: ${printable(content)}`);
    if (type !== this.expected) throw new HandshakeError('malformed', `handshake record ${type} is not due`);
    const { onRecord } = this;
    this.expected = undefined;
    assert(onRecord !== undefined, 'a record is expected by someone');
    onRecord(content);
    return true;
  }

  /** Tells the other end and closes, unless the handshake is over. */
  fail(error: HandshakeError): void {
    if (this.over) return;
    this.detach();
    // Not after a refusal or to one who is gone, and never more than one line.
    if (error.code !== 'refused' && error.code !== 'disconnected') {
      this.send(RecordType.Refusal, Buffer.from(error.message.slice(0, REFUSAL_BYTES)));
    }
    this.socket.destroySoon();
    this.done(error);
  }

  private detach(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.socket.off('data', this.onData);
    this.socket.off('close', this.onClose);
  }
}

function asHandshakeError(error: unknown): HandshakeError {
  if (error instanceof HandshakeError) return error;
  if (error instanceof MalformedBytes) return new HandshakeError('malformed', `malformed handshake: ${error.message}`);
  throw error;
}

/** A stranger's text, fit for a log. */
const printable = (text: Buffer): string => text.toString('latin1', 0, REFUSAL_BYTES).replace(/[^\x20-\x7e]/g, '?');
