/**
 * One authenticated connection between two processes of a cluster. Everything sent in one turn of the event loop leaves
 * as one frame, under one MAC, in one socket write.
 */
import type { Socket } from 'node:net';
import type { MacKey } from '../crypto/macs.js';
import { type LinkKeys, RotatingKey } from '../crypto/session-keys.js';
import { assert, Limits } from '../limits.js';
import type { Message } from '../pbft/messages.js';
import { decodeMessage } from '../wire/codec.js';
import { WireError } from '../wire/errors.js';
import {
  FRAME_ITEM_BYTES,
  FRAME_ITEMS,
  type FrameFault,
  FrameKind,
  FrameOpener,
  FrameSealer,
  itemBytes,
} from '../wire/framing.js';
import { isAdmissible, type Peer } from './admission.js';
import type { NetContext } from './context.js';
import { count } from './counters.js';
import type { Channel } from './handshake.js';
import { Rekeying } from './rekey.js';

/** Why a link ended. */
export type LinkEndReason =
  /** By its owner. */
  | 'closed'
  /** The same replica connected anew. */
  | 'replaced'
  | 'disconnected'
  | 'silent'
  | 'queue-overflow'
  | 'unknown-frame'
  | 'bad-rekey'
  | FrameFault;

/**
 * Whoever owns the links. Called from the event loop, never from within `send`; what it throws is its own mistake and
 * is not caught. Messages may be answered in the call.
 */
export interface LinkHandler {
  onUp(link: Link): void;
  /** @param bytes encoded size */
  onMessage(link: Link, message: Message, bytes: number): void;
  onDown(link: Link, reason: LinkEndReason): void;
  /** A connection did not become a link: one line for the log. */
  onRefused?(address: string, reason: string, dialed?: Dialed): void;
}

/** Of a connection that was opened from here. */
export interface Dialed {
  replica: number;
  /** A HandshakeFault. */
  code: string;
}

const RESOLVED = Promise.resolve();

/**
 * An item above it has a frame to itself: it is handled as soon as it is there, and may stay in the buffer that its frame
 * was received into.
 */
const ALONE_BYTES = 64 * 1024;

/** Time for the last bytes to leave after `close`. */
const LINGER_MS = 1_000;

export class Link {
  readonly peer: Peer;
  /** Whether this end opened the connection. */
  readonly isDialer: boolean;
  private readonly sealer: FrameSealer;
  private readonly opener: FrameOpener;
  private readonly rekeying: Rekeying;
  private readonly authenticator: RotatingKey;
  private queue: Uint8Array[] = [];
  private queueBytes = 0;
  private flushScheduled = false;
  private overflowed = false;
  private ended: LinkEndReason | undefined;
  private readonly heartbeat: NodeJS.Timeout;
  private sentSinceBeat = false;
  private silentBeats = 0;
  private bytesSinceRekey = 0;
  private rekeyDueMs: number;

  constructor(
    private readonly socket: Socket,
    private readonly context: NetContext,
    channel: Channel,
  ) {
    const { peer, keys, end } = channel;
    const { timings } = context;
    this.peer = peer;
    this.isDialer = end === 'dialer';
    this.sealer = new FrameSealer(this.isDialer ? keys.fromDialer : keys.fromAcceptor);
    this.opener = new FrameOpener(this.isDialer ? keys.fromAcceptor : keys.fromDialer, this.onFrame);
    this.rekeying = new Rekeying(context, peer, channel.id);
    this.authenticator = new RotatingKey(keys.authenticator, timings.graceMs);
    this.rekeyDueMs = performance.now() + timings.rekeyMs;
    this.heartbeat = setInterval(() => this.beat(), timings.heartbeatMs);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('close', () => this.close('disconnected'));
  }

  /** Hands over the frames that came with the end of the handshake. To be called once, after `onUp`. */
  start(rest: Buffer): void {
    if (rest.length > 0) this.receive(rest);
  }

  get isUp(): boolean {
    return this.ended === undefined;
  }

  /** Bytes that were sent and have not been taken by the kernel. */
  get queuedBytes(): number {
    return this.queueBytes + this.socket.writableLength;
  }

  /** The key for request authenticators shared with this peer, then the one before it while it is still accepted. */
  get authenticatorKeys(): readonly MacKey[] {
    return this.authenticator.accepted(performance.now());
  }

  /**
   * Sends an encoded message with all others of this turn. The buffer must not change any more; it may be sent to other
   * links too, and large ones are then hashed once.
   * @returns false if the link is down, or too much is queued: it is then closed after this turn
   */
  send(encoded: Uint8Array): boolean {
    assert(itemBytes(encoded) <= FRAME_ITEM_BYTES, 'a message fits in a frame');
    if (this.ended !== undefined || this.overflowed) return false;
    if (this.queuedBytes + encoded.length > Limits.linkQueueBytes) {
      this.overflowed = true;
      queueMicrotask(() => this.close('queue-overflow'));
      return false;
    }
    this.queue.push(encoded);
    this.queueBytes += encoded.length;
    if (!this.flushScheduled) {
      this.flushScheduled = true;
      // A bare promise job: `queueMicrotask` makes an async resource for each.
      void RESOLVED.then(this.flush);
    }
    return true;
  }

  /** Writes what is queued now instead of at the end of the turn. */
  readonly flush = (): void => {
    this.flushScheduled = false;
    if (this.queue.length === 0 || this.ended !== undefined) return;
    const items = this.queue;
    this.queue = [];
    this.queueBytes = 0;
    this.context.counters.sent.messages += items.length;
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < items.length; i++) {
      const size = itemBytes(items[i]);
      const alone = size > ALONE_BYTES || (i > from && itemBytes(items[i - 1]) > ALONE_BYTES);
      if (i > from && (alone || bytes + size > FRAME_ITEM_BYTES || i - from === FRAME_ITEMS)) {
        this.write(FrameKind.Messages, items.slice(from, i));
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
    this.write(FrameKind.Messages, from === 0 ? items : items.slice(from));
  };

  /** Ends the link. What was sent before leaves first, if the link is closed for no fault. Calls `onDown`, once. */
  close(reason: LinkEndReason = 'closed'): void {
    if (this.ended !== undefined) return;
    if (reason === 'closed') this.flush();
    this.ended = reason;
    this.queue = [];
    this.queueBytes = 0;
    this.opener.stop();
    clearInterval(this.heartbeat);
    if (reason === 'closed') {
      this.socket.destroySoon();
      setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
    } else {
      this.socket.destroy();
    }
    count(this.context.counters.closedLinks, reason);
    this.context.handler.onDown(this, reason);
  }

  private write(kind: number, items: readonly Uint8Array[]): void {
    const pieces = this.sealer.seal(kind, items);
    const { sent } = this.context.counters;
    sent.frames++;
    this.sentSinceBeat = true;
    // One writev for all pieces of a frame.
    if (pieces.length > 1) this.socket.cork();
    for (const piece of pieces) {
      sent.bytes += piece.length;
      this.bytesSinceRekey += piece.length;
      this.socket.write(piece);
    }
    if (pieces.length > 1) this.socket.uncork();
  }

  private receive(chunk: Buffer): void {
    if (this.ended !== undefined) return;
    this.silentBeats = 0;
    this.bytesSinceRekey += chunk.length;
    this.context.counters.received.bytes += chunk.length;
    const fault = this.opener.feed(chunk);
    if (fault !== undefined) this.close(fault);
  }

  private readonly onFrame = (kind: number, items: Buffer[]): void => {
    this.context.counters.received.frames++;
    switch (kind) {
      case FrameKind.Messages:
        for (let i = 0; i < items.length && this.isUp; i++) this.deliver(items[i]);
        break;
      case FrameKind.Heartbeat:
        break;
      case FrameKind.RekeyOffer:
      case FrameKind.RekeyAccept:
      case FrameKind.RekeyDone:
        if (!this.onRekey(kind, items)) this.close('bad-rekey');
        break;
      default:
        this.close('unknown-frame');
    }
  };

  private deliver(item: Buffer): void {
    const { context } = this;
    context.counters.received.messages++;
    let message: Message;
    try {
      message = decodeMessage(item, context.decoding);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      count(context.counters.droppedMessages, error.code);
      return;
    }
    if (isAdmissible(context.role, this.peer, message)) context.handler.onMessage(this, message, item.length);
    else count(context.counters.droppedMessages, 'unexpected-message');
  }

  private beat(): void {
    const { timings } = this.context;
    // Beats are counted, not read off a clock: after a stall of our own only one is late, and its data waits to be read.
    if (++this.silentBeats > timings.silentHeartbeats) {
      this.close('silent');
      return;
    }
    if (this.isDialer && !this.rekeying.underWay && this.rekeyIsDue()) {
      this.write(FrameKind.RekeyOffer, [this.rekeying.offer()]);
    } else if (!this.sentSinceBeat) {
      this.write(FrameKind.Heartbeat, []);
    }
    this.sentSinceBeat = false;
  }

  private rekeyIsDue(): boolean {
    return this.bytesSinceRekey > this.context.timings.rekeyBytes || performance.now() >= this.rekeyDueMs;
  }

  /** @returns false if the frame is not right at this point */
  private onRekey(kind: number, items: readonly Buffer[]): boolean {
    if (this.isDialer) {
      if (kind !== FrameKind.RekeyAccept || items.length !== 1) return false;
      const keys = this.rekeying.complete(items[0]);
      if (keys === undefined) return false;
      this.write(FrameKind.RekeyDone, []);
      this.sealer.rekey(keys.fromDialer);
      this.opener.rekey(keys.fromAcceptor);
      this.rekeyed(keys);
      return true;
    }
    if (kind === FrameKind.RekeyOffer && items.length === 1) {
      const accepted = this.rekeying.accept(items[0]);
      if (accepted === undefined) return false;
      this.write(FrameKind.RekeyAccept, [accepted.answer]);
      this.sealer.rekey(accepted.keys.fromAcceptor);
      this.rekeyed(accepted.keys);
      return true;
    }
    if (kind !== FrameKind.RekeyDone || items.length !== 0) return false;
    const keys = this.rekeying.done();
    if (keys === undefined) return false;
    this.opener.rekey(keys.fromDialer);
    return true;
  }

  private rekeyed(keys: LinkKeys): void {
    this.authenticator.rotate(keys.authenticator, performance.now());
    this.bytesSinceRekey = 0;
    this.rekeyDueMs = performance.now() + this.context.timings.rekeyMs;
    this.context.counters.rekeys++;
  }
}
