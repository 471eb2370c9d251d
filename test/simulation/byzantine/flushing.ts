import type { ReplicaMessage } from '../../../src/pbft/messages.js';
import { type Behaviour, others } from './behaviour.js';

/** Signs that it has flushed what it has not, what nobody has, and passes on certificates of its own making. */
export function lyingFlushes(): Behaviour {
  let last = 1;
  return {
    name: 'lying about flushes',
    hear(message) {
      if (message.kind === 'commit') last = Math.max(last, message.sequence);
    },
    send(message, _to, self) {
      if (message.kind !== 'flushed') return [message];
      const { random, authentication, configuration } = self;
      const sequence = Math.max(1, message.sequence + random.below(5) - 2);
      const digest = random.chance(0.3) ? message.digest : Buffer.alloc(32, random.below(4));
      const signature = random.chance(0.5) ? message.signature : authentication.signFlushed(sequence, digest);
      const signers = Array.from({ length: configuration.n }, (_, replica) => ({ replica, signature }));
      const signatures = signers.slice(0, random.chance(0.5) ? configuration.quorum : 1);
      const forged: ReplicaMessage = { kind: 'flushed-certificate', certificate: { sequence, digest, signatures } };
      return [{ ...message, sequence, digest, signature }, forged];
    },
    // Of anything that may have committed, so that others flush all the time.
    tick(self) {
      const { random, authentication } = self;
      if (!random.chance(0.3)) return;
      const sequence = Math.max(1, last - random.below(3));
      const digest = Buffer.alloc(32, random.below(4));
      const signature = authentication.signFlushed(sequence, digest);
      for (const to of others(self)) self.send(to, { kind: 'flushed', sequence, digest, signature });
    },
  };
}
