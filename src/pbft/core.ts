import type { Bodies } from './bodies.js';
import type { Configuration } from './configuration.js';
import { startOf } from './incarnation.js';
import type { MessageLog } from './log.js';
import type { SequenceNumber, Timestamp, View } from './messages.js';
import type { Authentication } from './ports.js';
import type { Outbox } from './ready.js';
import type { RequestQueue } from './request-queue.js';
import type { Tally } from './tally.js';

/** What the rooms of the state machine share. */
export interface Core {
  readonly configuration: Configuration;
  readonly authentication: Authentication;
  readonly outbox: Outbox;
  readonly log: MessageLog;
  readonly queue: RequestQueue;
  readonly bodies: Bodies;
  readonly tally: Tally;
  /** Which this replica takes part in (incarnation.ts). */
  readonly incarnation: number;
  /** Whether it is known from which point that began: until then nothing else is ordered. */
  decided: boolean;
  view: View;
  /** Whether the view has begun here: false from the view-change this replica sent until the new-view that answers it. */
  active: boolean;
  /** It may have forgotten what it said, and says nothing until it cannot contradict itself (recovery.ts). */
  recovering: boolean;
  /** It lost its disk, and not only power: it cannot tell which incarnations it took part in. */
  diskLost: boolean;
  /** While it is recovering: it waits for a stable checkpoint at or above this; 0 while that is not known. */
  awaited: SequenceNumber;
  /** A recovery that loses no votes is under way (replica/proactive): others do without it as primary meanwhile. */
  proactive: boolean;
  /** The first view it votes in: it may have asked for this one before it forgot. */
  votesFrom: View;
  /** Milliseconds on a clock that never goes back; its origin means nothing. */
  now: number;
  /** The machine's wall clock at `now`. */
  wallClock: Timestamp;
}

/** The sequence number of the batch that an incarnation begins with. */
export const firstSequence = ({ incarnation }: Core): SequenceNumber => startOf(incarnation) + 1;

/** Whether this replica is the primary of its view, though the view may have yet to begin. */
export const isDesignated = (core: Core): boolean => core.configuration.primary(core.view) === core.configuration.id;

/** Whether this replica has a voice in its view. */
export const mayVote = (core: Core): boolean => !core.recovering && !core.outbox.silent && core.view >= core.votesFrom;

/** Whether this replica orders requests now. */
export const isPrimary = (core: Core): boolean => core.active && isDesignated(core) && mayVote(core);
