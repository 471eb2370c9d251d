import type { Mutant } from './mutant.js';

/** Faults in the three phases, in checkpoints and in catching up. */
export const AGREEMENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'quorum 2f instead of 2f+1',
    file: 'src/pbft/configuration.ts',
    find: 'this.quorum = 2 * f + 1;',
    replace: 'this.quorum = 2 * f;',
  },
  {
    name: 'commit quorum 2f',
    file: 'src/pbft/normal-case.ts',
    find: 'entry.commits.count(view, digest) >= configuration.quorum;',
    replace: 'entry.commits.count(view, digest) >= configuration.quorum - 1;',
  },
  {
    name: 'prepared with 2f−1 prepares',
    file: 'src/pbft/normal-case.ts',
    find: 'entry.prepares.count(view, digest) >= 2 * configuration.f;',
    replace: 'entry.prepares.count(view, digest) >= 2 * configuration.f - 1;',
  },
  {
    name: 'commit without prepare',
    file: 'src/pbft/normal-case.ts',
    find: 'const nowPrepared = !entry.prepared && entry.prepares.count(view, digest) >= 2 * configuration.f;',
    replace: 'const nowPrepared = !entry.prepared;',
  },
  {
    name: 'votes counted that do not match',
    file: 'src/pbft/votes.ts',
    find: 'this.views[sender] === view && (voted === digest || sameDigest(voted, digest));',
    replace: 'this.views[sender] === view;',
  },
  {
    name: 'sender not deduplicated',
    file: 'src/pbft/votes.ts',
    find: `    if (earlier !== undefined && earlier >= view) return false;
    this.views[sender] = view;`,
    replace: `    if (earlier !== undefined && earlier >= view) sender = this.views.length;
    this.views[sender] = view;`,
  },
  {
    name: 'a second pre-prepare replaces the first',
    file: 'src/pbft/normal-case.ts',
    find: `      if (!sameDigest(entry.digest, batch.digest)) core.outbox.suspect(from, 'two pre-prepares for one number');
      else if (entry.batch === undefined) this.supplyOrAwait(entry, batch);
      return;`,
    replace: `      if (entry.batch === undefined) this.supplyOrAwait(entry, batch);
      if (sameDigest(entry.digest, batch.digest)) return;`,
  },
  {
    name: 'requests not authenticated',
    file: 'src/pbft/normal-case.ts',
    find: '(request) => core.authentication.verifyRequestMac(request) || core.authentication.verifyRequestSignature(request),',
    replace: '() => true,',
  },
  {
    name: 'time not bounded',
    file: 'src/pbft/normal-case.ts',
    find: 'if (entry.committed === undefined && skew > Limits.clockSkewMs) {',
    replace: 'if (entry.committed === undefined && skew > 1e12) {',
  },
  {
    name: 'time bound applied to re-proposed batches',
    file: 'src/pbft/normal-case.ts',
    find: `    if (batch === undefined || entry.prePrepared || !core.log.inWindow(sequence)) return;
`,
    replace: `    if (batch === undefined || entry.prePrepared || !core.log.inWindow(sequence)) return;
    if (batch.requests.length > 0 && Math.abs(millisecondsAfter(batch.time, core.wallClock)) > Limits.clockSkewMs) return;
`,
  },
  {
    name: 'water mark ignored',
    file: 'src/pbft/log.ts',
    find: 'return this.within(sequence, Limits.logSize);',
    replace: 'return sequence > this.low;',
  },
  {
    name: 'checkpoint at f+1',
    file: 'src/pbft/checkpointing.ts',
    find: 'if (matching.length >= this.core.configuration.quorum) this.certify(matching);',
    replace: 'if (matching.length >= this.core.configuration.weakQuorum) this.certify(matching);',
  },
  {
    name: 'P forgotten when a view is left',
    file: 'src/pbft/log.ts',
    find: `    this.view = -1;
    this.digest = undefined;`,
    replace: `    this.view = -1;
    this.lastPrepared = undefined;
    this.digest = undefined;`,
  },
  {
    name: 'Q forgotten when a view is left',
    file: 'src/pbft/log.ts',
    find: `    this.view = -1;
    this.digest = undefined;`,
    replace: `    this.view = -1;
    this.everPrePrepared = [];
    this.digest = undefined;`,
  },
  {
    name: 'no COMMITTED catch-up',
    file: 'src/pbft/catch-up.ts',
    find: 'if (entry.attested.count(0, digest) < core.configuration.weakQuorum) return;',
    replace: 'if (entry.attested.count(0, digest) < 99) return;',
  },
  {
    name: 'COMMITTED believed of one',
    file: 'src/pbft/catch-up.ts',
    find: 'if (entry.attested.count(0, digest) < core.configuration.weakQuorum) return;',
    replace: '',
  },
  {
    name: 'batches fetched are not compared',
    file: 'src/pbft/catch-up.ts',
    find: 'if (!sameDigest(batch.digest, entry.wanted)) {',
    replace: 'if (batch.digest.length !== 32) {',
  },
  {
    name: 'a named request that is not here is left out',
    file: 'src/pbft/bodies.ts',
    find: 'if (request === undefined) return undefined;',
    replace: 'if (request === undefined) continue;',
  },
];
