import type { ReplicaId } from '../../../src/pbft/messages.js';
import type { WorldOptions } from '../world.js';
import type { Stage } from './stage.js';

/**
 * A directed fault plan: it knows where one rule of the protocol is all that stands between the correct replicas and
 * disaster, and brings them there. Of a protocol that keeps the rule nothing comes of it.
 */
export interface Attack {
  readonly name: string;
  /** How many may be faulty where it comes off. Default: one. */
  readonly f?: number;
  /** The Byzantine replica that it leads, if it needs one. */
  readonly puppet?: ReplicaId;
  /** A second one. */
  readonly accomplice?: ReplicaId;
  /** What of the world is not left to chance. */
  readonly world?: Partial<WorldOptions>;
  /** @throws Fizzled where the replicas do not go where they were led */
  carryOut(stage: Stage): void;
}
