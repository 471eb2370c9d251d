import type { Configuration } from '../../../src/pbft/configuration.js';
import type { ReplicaId, ReplicaMessage, Reply } from '../../../src/pbft/messages.js';
import type { FakeAuthentication } from '../fake-authentication.js';
import type { Random } from '../random.js';

/** What a Byzantine replica has at hand: its own keys and no other's, its links, and chance. */
export interface Puppeteer {
  readonly configuration: Configuration;
  readonly authentication: FakeAuthentication;
  readonly random: Random;
  now(): number;
  /** Sends without asking the behaviours. */
  send(to: ReplicaId, message: ReplicaMessage): void;
}

/**
 * A Byzantine replica is an honest one whose messages pass through behaviours on their way out. Each is given what the one
 * before lets through.
 */
export interface Behaviour {
  readonly name: string;
  /** What leaves, for one recipient, instead of a message. */
  send?(message: ReplicaMessage, to: ReplicaId, self: Puppeteer): ReplicaMessage[];
  reply?(reply: Reply, self: Puppeteer): Reply[];
  /** Overhears what comes in, which the honest replica is given too. */
  hear?(message: ReplicaMessage, from: ReplicaId, self: Puppeteer): void;
  tick?(self: Puppeteer): void;
}

/** A behaviour at work in some of the time only: faults that come and go find more than constant ones. */
export function sometimes(behaviour: Behaviour, share: number, periodMs: number): Behaviour {
  let active = true;
  let until = 0;
  const isActive = (self: Puppeteer): boolean => {
    if (self.now() >= until) {
      active = self.random.chance(share);
      until = self.now() + self.random.between(0.2, 1) * periodMs;
    }
    return active;
  };
  return {
    name: behaviour.name,
    send: (message, to, self) => (isActive(self) && behaviour.send?.(message, to, self)) || [message],
    reply: (reply, self) => (isActive(self) && behaviour.reply?.(reply, self)) || [reply],
    hear: (message, from, self) => {
      if (isActive(self)) behaviour.hear?.(message, from, self);
    },
    tick: (self) => {
      if (isActive(self)) behaviour.tick?.(self);
    },
  };
}

export const others = ({ configuration }: Puppeteer): ReplicaId[] =>
  Array.from({ length: configuration.n }, (_, id) => id).filter((id) => id !== configuration.id);
