/**
 * An incarnation of the group: from when it began, or recovered from more than f losses of memory at once, to the next
 * such recovery (DESIGN 3.11, group-recovery.ts). Sequence numbers and views of each lie above all of those before it,
 * so that whatever compares them needs no other rule, and replies tell of it by their view.
 */
import { Limits } from '../limits.js';
import type { SequenceNumber, View } from './messages.js';

/** How many sequence numbers, and views, an incarnation has; a multiple of the checkpoint interval. */
export const INCARNATION_SPAN = 1_000_000_000_000;

export const incarnationOf = (number: SequenceNumber | View): number => Math.floor(number / INCARNATION_SPAN);

/**
 * Its sequence numbers are those above this one, its views those from this one on. A checkpoint follows its first batch:
 * nothing can be certified as flushed before there is one.
 */
export const startOf = (incarnation: number): number =>
  incarnation === 0 ? 0 : incarnation * INCARNATION_SPAN + Limits.checkpointInterval - 2;
