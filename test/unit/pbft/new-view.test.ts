import { describe, expect, it } from 'vitest';
import type { NewView, OrderedBatch, ViewChange } from '../../../src/pbft/messages.js';
import type { Replica } from '../../../src/pbft/replica.js';
import { FakeAuthentication } from '../../simulation/fake-authentication.js';
import { newReplica } from './replica.js';

const seen: OrderedBatch[] = [{ sequence: 1, digest: Buffer.alloc(32, 1), view: 0 }];

function viewChange(replica: number, batches: OrderedBatch[]): ViewChange {
  const unsigned = {
    ...({ kind: 'view-change', view: 1, replica, certificate: undefined } as const),
    ...{ prepared: batches, prePrepared: batches },
  };
  return { ...unsigned, signature: new FakeAuthentication(replica).signViewChange(unsigned) };
}

function newView(...viewChanges: ViewChange[]): NewView {
  const signature = new FakeAuthentication(1).signNewView(1, viewChanges);
  return { kind: 'new-view', view: 1, viewChanges, signature };
}

/** Replica 2 of four, which has the view-changes of 0 and 3 and has joined them. */
function waiting(): Replica {
  const replica = newReplica(2);
  for (const from of [0, 3]) replica.receive(viewChange(from, seen), from);
  expect(replica.describe()).toMatchObject({ view: 1, state: 'view-change', suspicions: [] });
  return replica;
}

describe('a new-view', () => {
  it('of valid view-changes begins the view', () => {
    const replica = waiting();
    replica.receive(newView(viewChange(0, seen), viewChange(1, []), viewChange(3, seen)), 1);
    expect(replica.describe()).toMatchObject({ view: 1, suspicions: [] });
    expect(replica.describe().state).not.toBe('view-change');
  });

  it('is refused if a view-change in it is not what its sender signed, though its signature was seen before', () => {
    const replica = waiting();
    const doctored = [0, 3].map((from) => ({ ...viewChange(from, seen), prepared: [], prePrepared: [] }));
    replica.receive(newView(doctored[0], viewChange(1, []), doctored[1]), 1);
    expect(replica.describe()).toMatchObject({ state: 'view-change', suspicions: [{ replica: 1 }] });
  });
});
