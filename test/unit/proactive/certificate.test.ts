import { describe, expect, it } from 'vitest';
import { checkCertificate } from '../../../replica/proactive/certificate.js';
import { Configuration } from '../../../src/pbft/configuration.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';
import { FakeAuthentication } from '../../simulation/fake-authentication.js';

const ROOT = Buffer.alloc(32, 1);

const stable = (sequence: number, signers: number[], stateDigest = ROOT): JournalRecord => ({
  kind: 'stable',
  certificate: {
    sequence,
    stateDigest,
    signatures: signers.map((replica) => ({
      replica,
      signature: new FakeAuthentication(replica).signCheckpoint(sequence, ROOT),
    })),
  },
});

const check = (...records: JournalRecord[]) =>
  checkCertificate(records, new Configuration(1, 3), new FakeAuthentication(3));

describe('what the journal says is certified', () => {
  it('is believed with the signatures of 2f+1 only', () => {
    expect(() => check()).not.toThrow();
    expect(() => check(stable(128, [0, 1, 3]), stable(256, [0, 1, 2]))).not.toThrow();
    for (const forged of [stable(256, [0, 1]), stable(256, [0, 1, 1]), stable(256, [0, 1, 2], Buffer.alloc(32, 2))]) {
      expect(() => check(stable(128, [0, 1, 3]), forged)).toThrow(/--rejoin/);
    }
  });
});
