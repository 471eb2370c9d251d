import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import type { Checkpoint } from '../../../src/pbft/messages.js';
import { FakeAuthentication } from '../../simulation/fake-authentication.js';
import { newReplica } from './replica.js';

const ME = 3;
const SEQUENCE = 20 * Limits.checkpointInterval;
const ROOT = Buffer.alloc(32, 1);
const OTHER_ROOT = Buffer.alloc(32, 2);

const checkpoint = (replica: number, stateDigest: Buffer): Checkpoint => ({
  kind: 'checkpoint',
  sequence: SEQUENCE,
  stateDigest,
  replica,
  signature: new FakeAuthentication(replica).signCheckpoint(SEQUENCE, stateDigest),
});

/** One that is behind, and what it is told, by whom. */
function told(...messages: [from: number, message: Checkpoint][]) {
  const replica = newReplica(ME);
  for (const [from, message] of messages) replica.receive(message, from);
  const stable = replica.takeReady().notes.find((note) => note.kind === 'stable');
  return { certified: stable?.certificate, suspicions: replica.describe().suspicions };
}

describe('a checkpoint that others certified', () => {
  it('is known from the certificate, though one of those who signed it said something else here', () => {
    const { certified, suspicions } = told(
      [1, checkpoint(1, OTHER_ROOT)],
      [0, checkpoint(0, ROOT)],
      [2, checkpoint(2, ROOT)],
      [0, checkpoint(1, ROOT)],
    );
    expect(certified).toMatchObject({ sequence: SEQUENCE, stateDigest: ROOT });
    expect(suspicions).toEqual([{ replica: 1, why: 'two checkpoints for one number' }]);
  });

  it('is not known from one who signs whatever there is', () => {
    const { certified } = told(
      [1, checkpoint(1, OTHER_ROOT)],
      [1, checkpoint(1, ROOT)],
      [1, checkpoint(1, Buffer.alloc(32, 3))],
      [0, checkpoint(0, ROOT)],
    );
    expect(certified).toBeUndefined();
  });
});
