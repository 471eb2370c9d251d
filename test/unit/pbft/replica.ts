import { Configuration } from '../../../src/pbft/configuration.js';
import { Replica } from '../../../src/pbft/replica.js';
import { FakeAuthentication } from '../../simulation/fake-authentication.js';
import { MemoryState } from '../../simulation/memory-state.js';

/** One of four, new and by itself: what it hears is up to the test. */
export function newReplica(id: number): Replica {
  return new Replica({
    configuration: new Configuration(1, id),
    authentication: new FakeAuthentication(id),
    state: new MemoryState(),
    history: { digest: () => undefined, batch: () => undefined },
    recovered: [],
    synced: false,
    life: 1,
    batchWindow: 4,
  });
}
