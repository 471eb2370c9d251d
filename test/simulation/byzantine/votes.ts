import { isWhole } from '../../../src/pbft/bodies.js';
import { digestKey } from '../../../src/pbft/digests.js';
import type { ReplicaId, ReplicaMessage, Request } from '../../../src/pbft/messages.js';
import { type Behaviour, others } from './behaviour.js';

/** Says nothing, to replicas or to clients. */
export const silent: Behaviour = { name: 'silent', send: () => [], reply: () => [] };

/** Speaks to some and not to others, who change. */
export function selective(): Behaviour {
  const until = new Map<ReplicaId, number>();
  const spoken = new Map<ReplicaId, boolean>();
  return {
    name: 'selective',
    send(message, to, { random, now }) {
      if (now() >= (until.get(to) ?? 0)) {
        until.set(to, now() + random.between(100, 2000));
        spoken.set(to, random.chance(0.5));
      }
      return spoken.get(to) ? [message] : [];
    },
  };
}

/** Votes for digests of nothing. */
export const wrongDigest: Behaviour = {
  name: 'wrong digest',
  send(message, _to, { random }) {
    if (message.kind !== 'prepare' && message.kind !== 'commit' && message.kind !== 'committed') return [message];
    return [{ ...message, digest: Buffer.alloc(32, random.below(4)) }];
  },
};

/** Backs whatever anyone says: each hears from it, once, a prepare, a commit and COMMITTED for its own batch. */
export function yesMan(): Behaviour {
  const said = new Set<string>();
  return {
    name: 'yes-man',
    hear(message, from, self) {
      if (message.kind !== 'pre-prepare' && message.kind !== 'prepare' && message.kind !== 'commit') return;
      const { view, sequence } = message;
      const digest = message.kind === 'pre-prepare' ? message.batch.digest : message.digest;
      const key = `${from} ${view} ${sequence} ${digestKey(digest)}`;
      if (said.has(key)) return;
      said.add(key);
      if (self.configuration.primary(view) !== self.configuration.id) {
        self.send(from, { kind: 'prepare', view, sequence, digest });
      }
      self.send(from, { kind: 'commit', view, sequence, digest });
      if (self.random.chance(0.2)) self.send(from, { kind: 'committed', sequence, digest });
    },
  };
}

/** Votes once more, and for numbers and views that are not at hand. */
export const flooding: Behaviour = {
  name: 'flooding',
  send(message, _to, { random }) {
    if (message.kind !== 'prepare' && message.kind !== 'commit') return [message];
    const far = { ...message, sequence: message.sequence + random.below(2000) };
    return [message, message, far, { ...message, view: message.view + random.below(5) }];
  },
};

/** Says again, to anyone, what it said long ago. */
export function replaying(): Behaviour {
  const said: ReplicaMessage[] = [];
  return {
    name: 'replaying',
    send(message, _to, { random }) {
      if (said.length < 500) said.push(message);
      else said[random.below(500)] = message;
      return [message];
    },
    tick(self) {
      if (said.length === 0) return;
      for (let i = 0; i < 3; i++) self.send(self.random.pick(others(self)), self.random.pick(said));
    },
  };
}

/** Speaks as if it were still in the view before. */
export const staleView: Behaviour = {
  name: 'stale view',
  send(message) {
    if (message.kind !== 'prepare' && message.kind !== 'commit' && message.kind !== 'status') return [message];
    return [{ ...message, view: Math.max(0, message.view - 1) }];
  },
};

/** Answers clients wrongly, or truly and too early, or with the tentative said to be final. */
export const wrongResult: Behaviour = {
  name: 'wrong result',
  reply(reply, { random }) {
    if (random.chance(0.3)) return [{ ...reply, tentative: !reply.tentative }];
    if (random.chance(0.3)) return [{ ...reply, view: reply.view + 1 }, reply];
    return [{ ...reply, result: Buffer.from(String(random.below(900))), resultDigest: undefined }];
  },
};

/** Sends batches nobody asked for, under numbers where they do not belong. */
export const wrongBatches: Behaviour = {
  name: 'wrong batches',
  send(message, _to, { random }) {
    if (message.kind === 'batch-data') return [{ ...message, sequence: message.sequence + random.below(3) }];
    if (message.kind === 'pre-prepare' && random.chance(0.2)) {
      const { sequence, batch } = message;
      if (isWhole(batch)) return [message, { kind: 'batch-data', sequence: sequence + random.below(2), batch }];
    }
    return [message];
  },
};

/** Answers for bodies with copies that their clients never authenticated, whether it was asked or not. */
export const spoiledBodies: Behaviour = {
  name: 'spoiled bodies',
  send(message) {
    if (message.kind !== 'batch-data') return [message];
    const requests = message.batch.requests.map(spoiled);
    return [{ ...message, batch: { ...message.batch, requests } }];
  },
  hear(message, _from, self) {
    if (message.kind !== 'pre-prepare' || !self.random.chance(0.3) || !isWhole(message.batch)) return;
    const { sequence, batch } = message;
    const data = { kind: 'batch-data', sequence, batch: { ...batch, requests: batch.requests.map(spoiled) } } as const;
    for (const other of others(self)) self.send(other, data);
  },
};

const spoiled = (request: Request): Request => ({
  ...request,
  authenticator: new Uint8Array(request.authenticator.length),
  signature: new Uint8Array(64),
});
