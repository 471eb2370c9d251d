import type { Message } from '../pbft/messages.js';
import type { FrameFault } from '../wire/framing.js';
import type { Link } from './link.js';

/** Why a link ended. */
export type LinkEndReason =
  /** By its owner. */
  | 'closed'
  /** The same replica connected anew. */
  | 'replaced'
  | 'disconnected'
  | 'silent'
  | 'queue-overflow'
  /** Another client's connection took its place. */
  | 'crowded-out'
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
