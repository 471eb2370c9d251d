/** The records of a handshake, and what ends it. */
import type { Socket } from 'node:net';
import { ByteWriter, MalformedBytes } from '../bytes.js';
import type { LinkKeys } from '../crypto/session-keys.js';
import type { LinkEnd } from '../crypto/signables.js';
import { assert } from '../limits.js';
import type { Digest } from '../pbft/messages.js';
import type { Peer } from './admission.js';
import type { NetContext } from './context.js';

/** Largest record. */
const RECORD_BYTES = 512;
const REFUSAL_BYTES = 200;
const NOTHING = Buffer.alloc(0);

export const RecordType = { DialerHello: 1, AcceptorHello: 2, DialerProof: 3, Welcome: 4, Refusal: 5 } as const;

/** Why a connection did not become a link. */
export type HandshakeFault =
  | 'malformed'
  | 'version'
  | 'other-cluster'
  | 'unknown-peer'
  | 'not-dialed'
  | 'bad-signature'
  | 'weak-key'
  /** One end means to encrypt the link, the other does not. */
  | 'encryption'
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
  readonly isEncrypted: boolean;
  /** What was received after the handshake: the first frames. */
  readonly rest: Buffer;
}

export type HandshakeOutcome = Channel | HandshakeError;

/** Records over a socket until the handshake is over, one way or the other; bounded in bytes and in time. */
export class Exchange {
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
