import type { Digest, PrePrepare, ProposedBatch, ReplicaId, ReplicaMessage } from '../../../src/pbft/messages.js';
import { batchOf, seal, unproven } from '../fake-authentication.js';
import type { Behaviour } from './behaviour.js';

/** Tells different backups different batches for one number, and votes, to each, for what it told that one. */
export function equivocatingPrimary(): Behaviour {
  const told = new Map<string, Digest>();
  const camps = new Map<string, ProposedBatch[]>();
  const variants = (message: PrePrepare, chance: () => number): ProposedBatch[] => {
    const key = `${message.view}/${message.sequence}`;
    let batches = camps.get(key);
    if (batches === undefined) {
      const { time, requests } = message.batch;
      const other = chance() < 0.5 ? requests.slice(1) : [...requests].reverse();
      const later = { ...time, nanoseconds: (time.nanoseconds + 1) % 1_000_000_000 };
      batches = [message.batch, batchOf(later, other)];
      camps.set(key, batches);
    }
    return batches;
  };
  return {
    name: 'equivocating primary',
    send(message, to, { random }) {
      if (message.kind === 'pre-prepare') {
        const batch = random.pick(variants(message, () => random.next()));
        told.set(`${message.view}/${message.sequence}/${to}`, batch.digest);
        return [{ ...message, batch }];
      }
      if (message.kind !== 'commit') return [message];
      const digest = told.get(`${message.view}/${message.sequence}/${to}`);
      return [digest === undefined ? message : { ...message, digest }];
    },
  };
}

/** Proposes times far from everyone's clock, or a little too far back. */
export const badTime: Behaviour = {
  name: 'bad time',
  send(message, _to, { random }) {
    if (message.kind !== 'pre-prepare') return [message];
    const shift = random.pick([-86_400, -61, -30, 30, 61, 86_400]);
    const { time, requests } = message.batch;
    return [{ ...message, batch: batchOf({ ...time, seconds: Math.max(0, time.seconds + shift) }, requests) }];
  },
};

/** Orders everyone's requests but one client's. */
export function starvingPrimary(victim: number): Behaviour {
  return {
    name: `starving client ${victim}`,
    send(message) {
      if (message.kind !== 'pre-prepare') return [message];
      const requests = message.batch.requests.filter((each) => each.kind === 'name' || each.session.client !== victim);
      return [{ ...message, batch: batchOf(message.batch.time, requests) }];
    },
  };
}

/** Proposes requests in a client's name that the client never made, and so without its MAC or signature. */
export const inventingPrimary: Behaviour = {
  name: 'inventing requests',
  send(message, _to, { random, configuration }) {
    if (message.kind !== 'pre-prepare' || message.batch.requests.length === 0) return [message];
    const { time, requests } = message.batch;
    const [first] = requests;
    if (first.kind === 'name') return [message];
    const { session, replier, calls } = first;
    const operation = Buffer.from(`append invented-${random.below(1000)}`);
    const unsealed = { session, readOnly: false, replier, calls: calls.map((call) => ({ ...call, operation })) };
    return [{ ...message, batch: batchOf(time, [unproven(seal(unsealed, configuration.n)), ...requests]) }];
  },
};

/** Sends each proposal long after it should. */
export function slowPrimary(delayMs: number): Behaviour {
  const waiting: { at: number; to: ReplicaId; message: ReplicaMessage }[] = [];
  return {
    name: `slow by ${delayMs} ms`,
    send(message, to, self) {
      if (message.kind !== 'pre-prepare') return [message];
      waiting.push({ at: self.now() + delayMs, to, message });
      return [];
    },
    tick(self) {
      while (waiting.length > 0 && waiting[0].at <= self.now()) {
        const { to, message } = waiting.shift()!;
        self.send(to, message);
      }
    },
  };
}

/** Names requests that nobody has, or that their clients sent to this primary only. */
export const namingPrimary: Behaviour = {
  name: 'naming what nobody has',
  send(message, _to, { random }) {
    if (message.kind !== 'pre-prepare') return [message];
    const { time, requests } = message.batch;
    const named = requests.map((each) => (random.chance(0.5) ? each : { kind: 'name' as const, digest: each.digest }));
    if (random.chance(0.3)) named.push({ kind: 'name', digest: Buffer.alloc(32, random.below(4)) });
    return [{ ...message, batch: batchOf(time, named) }];
  },
};
