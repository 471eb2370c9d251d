/**
 * One authenticated connection between two processes of a cluster. Everything sent in one turn of the event loop leaves
 * as one frame, under one MAC or encrypted, in one socket write.
 */
import type { Socket } from 'node:net';
import type { MacKey } from '../crypto/macs.js';
import { type LinkKeys, RotatingKey } from '../crypto/session-keys.js';
import { assert, Limits } from '../limits.js';
import type { Message } from '../pbft/messages.js';
import { decodeMessage } from '../wire/codec.js';
import { WireError } from '../wire/errors.js';
import { FRAME_ITEM_BYTES, FrameKind, FrameOpener, FrameSealer, itemBytes } from '../wire/framing.js';
import { isAdmissible, type Peer } from './admission.js';
import { intoFrames } from './coalescing.js';
import type { NetContext } from './context.js';
import { count } from './counters.js';
import type { Channel } from './exchange.js';
import { Intake } from './intake.js';
import type { LinkEndReason } from './link-handler.js';
import type { Pace } from './pace.js';
import { Rekeying } from './rekey.js';

const RESOLVED = Promise.resolve();

/** Time for the last bytes to leave after `close`. */
const LINGER_MS = 1_000;

export class Link {
  readonly peer: Peer;
  /** Whether this end opened the connection. */
  readonly isDialer: boolean;
  readonly isEncrypted: boolean;
  /** At a replica: all links of the same client, this one among them. */
  siblings: ReadonlySet<Link> | undefined;
  private readonly sealer: FrameSealer;
  private readonly opener: FrameOpener;
  private readonly rekeying: Rekeying;
  private readonly authenticator: RotatingKey;
  /** Of a client that has a rate, at a replica. */
  private readonly pace: Pace | undefined;
  private readonly intake: Intake | undefined;
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
    const { peer, keys, end, isEncrypted } = channel;
    const { timings } = context;
    this.peer = peer;
    this.isDialer = end === 'dialer';
    this.isEncrypted = isEncrypted;
    this.sealer = new FrameSealer(this.isDialer ? keys.fromDialer : keys.fromAcceptor);
    this.opener = new FrameOpener(this.isDialer ? keys.fromAcceptor : keys.fromDialer, this.onFrame);
    this.rekeying = new Rekeying(context, peer, channel.id, isEncrypted);
    this.authenticator = new RotatingKey(keys.authenticator, timings.graceMs);
    if (context.role === 'replica' && peer.role === 'client') this.pace = context.paces.of(peer.id);
    if (this.pace !== undefined) this.intake = new Intake(socket, this.pace, (item) => this.deliver(item));
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
    if (this.isTooMuch(this.queuedBytes + encoded.length)) {
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

  /** One client has no more than one link may, however many links it has. */
  private isTooMuch(bytes: number): boolean {
    if (bytes > Limits.linkQueueBytes) return true;
    if (this.siblings === undefined || bytes <= Limits.linkQueueBytes / Limits.sessionsPerClient) return false;
    let all = bytes - this.queuedBytes;
    for (const link of this.siblings) all += link.queuedBytes;
    return all > Limits.linkQueueBytes;
  }

  /** Writes what is queued now instead of at the end of the turn. */
  readonly flush = (): void => {
    this.flushScheduled = false;
    if (this.queue.length === 0 || this.ended !== undefined) return;
    const items = this.queue;
    this.queue = [];
    this.queueBytes = 0;
    this.context.counters.sent.messages += items.length;
    for (const frame of intoFrames(items)) this.write(FrameKind.Messages, frame);
  };

  /** Ends the link. What was sent before leaves first, if the link is closed for no fault. Calls `onDown`, once. */
  close(reason: LinkEndReason = 'closed'): void {
    if (this.ended !== undefined) return;
    if (reason === 'closed') this.flush();
    this.ended = reason;
    this.queue = [];
    this.queueBytes = 0;
    this.opener.stop();
    this.intake?.stop();
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
    if (kind !== FrameKind.Messages || items.length === 0) this.intake?.onEmptyFrame();
    switch (kind) {
      case FrameKind.Messages:
        for (let i = 0; i < items.length && this.isUp; i++) {
          if (this.intake === undefined) this.deliver(items[i]);
          else this.intake.take(items[i]);
        }
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

  /** @returns false if it comes too early from a client that has a rate: nothing was done with it then */
  private deliver(item: Buffer): boolean {
    const { context, pace } = this;
    const message = this.admissible(item);
    const isMessage = typeof message !== 'string';
    if (pace?.admits(isMessage ? message : undefined) === false) return false;
    context.counters.received.messages++;
    if (isMessage) context.handler.onMessage(this, message, item.length);
    else count(context.counters.droppedMessages, message);
    return true;
  }

  /** @returns a message that the peer may send, or why it is none */
  private admissible(item: Buffer): Message | string {
    const { decoding, role } = this.context;
    try {
      const message = decodeMessage(item, decoding);
      return isAdmissible(role, this.peer, message) ? message : 'unexpected-message';
    } catch (error) {
      if (error instanceof WireError) return error.code;
      throw error;
    }
  }

  private beat(): void {
    const { timings } = this.context;
    // What the peer sends is not read.
    if (this.intake?.isPaused) this.silentBeats = 0;
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
