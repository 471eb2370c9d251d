import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { Configuration } from '../../../src/pbft/configuration.js';
import { GENESIS } from '../../../src/pbft/digest-chain.js';
import { mutual } from '../../../src/pbft/group-recovery.js';
import type { Digest, Forgotten, Numbered, StartReport } from '../../../src/pbft/messages.js';
import { areReports, chooseStart, endOf } from '../../../src/pbft/start.js';
import { FakeAuthentication } from '../../simulation/fake-authentication.js';

const K = Limits.checkpointInterval;
const configuration = new Configuration(1, 0);
const of = (replica: number): FakeAuthentication => new FakeAuthentication(replica);
const authentication = of(0);
const batch = (sequence: number): Digest => Buffer.alloc(32, sequence);
const root = (sequence: number): Digest => Buffer.alloc(32, 100 + sequence / K);

const ordered = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, i) => ({ sequence: from + 1 + i, digest: batch(from + 1 + i) }));

/** The digest chain at a number, from the checkpoint below it. */
function chainAt(sequence: number): Digest {
  const base = sequence - (sequence % K);
  let digest: Digest = base === 0 ? GENESIS : root(base);
  for (let each = base + 1; each <= sequence; each++) digest = authentication.chainDigest(digest, each, batch(each));
  return digest;
}

const flushed = (sequence: number, digest = chainAt(sequence), signers = [0, 1, 2]): StartReport['flushed'] => ({
  sequence,
  digest,
  signatures: signers.map((replica) => ({ replica, signature: of(replica).signFlushed(sequence, digest) })),
});

const stable = (sequence: number, signers = [0, 1, 2]): StartReport['certificate'] => ({
  sequence,
  stateDigest: root(sequence),
  signatures: signers.map((replica) => ({ replica, signature: of(replica).signCheckpoint(sequence, root(sequence)) })),
});

function report(replica: number, said: Partial<StartReport> = {}): StartReport {
  const { certificate, flushed, checkpoints = [], ordered = [], incarnation = 1 } = said;
  const unsigned = { replica, incarnation, certificate, flushed, checkpoints, ordered };
  return { ...unsigned, signature: of(replica).signReport(unsigned) };
}

const choose = (...reports: StartReport[]): ReturnType<typeof chooseStart> => chooseStart(reports, authentication);
const admitted = (...reports: StartReport[]): boolean => areReports(reports, 1, configuration, authentication);

describe('the start of an incarnation', () => {
  it('is the initial state, where nothing is certified', () => {
    const start = choose(report(0, { ordered: ordered(0, 9) }), report(1), report(2))!;
    expect([endOf(start), start.stateDigest, start.ordered]).toEqual([0, undefined, []]);
  });

  it('is the highest of the certificates, of either kind', () => {
    expect(
      endOf(choose(report(0, { certificate: stable(K) }), report(1), report(2, { certificate: stable(2 * K) }))!),
    ).toBe(2 * K);
    const told = { ordered: ordered(0, 9) };
    expect(
      endOf(choose(report(0, { flushed: flushed(3) }), report(1, told), report(2, { flushed: flushed(7) }))!),
    ).toBe(7);
    const both = choose(report(0, { certificate: stable(K), flushed: flushed(7) }), report(1, told), report(2))!;
    expect([endOf(both), both.stateDigest]).toEqual([K, root(K)]);
  });

  it('names the batches up to it, as whoever has them tells, whoever has the certificate', () => {
    const start = choose(
      report(0, { flushed: flushed(K + 2) }),
      report(1, { checkpoints: [{ sequence: K, digest: root(K) }], ordered: ordered(K, K + 5) }),
      report(2),
    )!;
    expect(start).toMatchObject({ base: K, stateDigest: root(K), ordered: [batch(K + 1), batch(K + 2)] });
    expect(start.chain).toEqual([root(K), chainAt(K + 1), chainAt(K + 2)]);
  });

  it('is none, while nobody tells what the highest certificate is about, or tells it wrong', () => {
    const lie = ordered(0, 6).map((each) => ({ ...each, digest: each.sequence === 4 ? batch(99) : each.digest }));
    const certified = report(0, { certificate: undefined, flushed: flushed(6) });
    expect(choose(certified, report(1), report(2))).toBeUndefined();
    expect(choose(certified, report(1, { ordered: lie }), report(2, { ordered: ordered(0, 5) }))).toBeUndefined();
    expect(endOf(choose(certified, report(1, { ordered: lie }), report(2, { ordered: ordered(0, 6) }))!)).toBe(6);
  });

  it('rests on 2f+1 reports of distinct replicas, for that incarnation, with what they have proved', () => {
    const [a, b, c] = [report(0, { flushed: flushed(2), ordered: ordered(0, 2) }), report(1), report(2)];
    expect(admitted(a, b, c)).toBe(true);
    expect(admitted(a, b)).toBe(false);
    expect(admitted(a, b, b)).toBe(false);
    expect(admitted(b, a, c)).toBe(false);
    expect(admitted(a, b, report(2, { incarnation: 2 }))).toBe(false);
    expect(admitted(a, b, { ...c, replica: 3 })).toBe(false);
    expect(admitted(a, b, { ...c, ordered: ordered(0, 1) })).toBe(false);
    expect(admitted(a, b, report(2, { flushed: flushed(2, chainAt(2), [0, 1]) }))).toBe(false);
    expect(admitted(a, b, report(2, { certificate: stable(K, [0, 0, 1]) }))).toBe(false);
    expect(admitted(report(0, { flushed: flushed(2) }), b, c)).toBe(false);
  });
});

describe('claims of having forgotten', () => {
  const claim = (replica: number, life: number, heard: number[]): Forgotten => ({
    ...{ kind: 'forgotten', replica, incarnation: 0, life, heard, signature: new Uint8Array(0) },
  });

  it('count together where each names the life of each other', () => {
    const [a, b, c] = [claim(0, 10, [0, 11, 12, 0]), claim(1, 11, [10, 0, 0, 0]), claim(2, 12, [10, 11, 0, 0])];
    expect(mutual([a, b, c], 2)).toEqual([a, b]);
    expect(mutual([a, c], 2)).toEqual([a, c]);
    expect(mutual([b, c], 2), 'one has not heard of the other').toBeUndefined();
    expect(mutual([a, b, c], 3)).toBeUndefined();
  });

  it('of different times do not', () => {
    const before = claim(0, 10, [0, 11, 0, 0]);
    expect(mutual([before, claim(1, 12, [10, 0, 0, 0])], 2), 'it named an earlier life').toBeUndefined();
    expect(mutual([before, claim(1, 11, [9, 0, 0, 0])], 2)).toBeUndefined();
    expect(mutual([claim(0, 0, [0, 0, 0, 0]), claim(1, 0, [0, 0, 0, 0])], 2)).toBeUndefined();
  });
});
