import type { Mutant } from './mutant.js';

/** Faults in leaving a view and in beginning one, and in what makes a replica leave it. */
export const VIEW_CHANGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'backups do not check the new-view',
    file: 'src/pbft/view-change-validity.ts',
    find: `  if (!viewChanges.every((each) => isViewChange(each, configuration, authentication))) return undefined;
`,
    replace: '',
  },
  {
    name: 'new-view from f+1 view-changes',
    file: 'src/pbft/view-change-validity.ts',
    find: 'if (view < 1 || viewChanges.length < configuration.quorum) return undefined;',
    replace: `if (view < 1) return undefined;
  configuration = Object.assign(Object.create(configuration), { quorum: configuration.weakQuorum });`,
  },
  {
    name: 'doubled view-changes counted',
    file: 'src/pbft/view-change-validity.ts',
    find: 'each.replica <= viewChanges[i - 1].replica',
    replace: 'each.replica < viewChanges[i - 1].replica',
  },
  {
    name: 'A1 ignored',
    file: 'src/pbft/selection.ts',
    find: 'return agreeing.length >= quorum;',
    replace: 'return agreeing.length >= 0;',
  },
  {
    name: 'Q ignored',
    file: 'src/pbft/selection.ts',
    find: 'return vouching.length >= weakQuorum;',
    replace: 'return vouching.length >= 0;',
  },
  {
    name: 'B from f+1 view-changes',
    file: 'src/pbft/selection.ts',
    find: 'claims.filter((claim) => claim === undefined).length < quorum) return undefined;',
    replace: 'claims.filter((claim) => claim === undefined).length < weakQuorum) return undefined;',
  },
  {
    name: 'B alone: P ignored',
    file: 'src/pbft/selection.ts',
    find: 'chosen.push(candidate?.digest);',
    replace: 'chosen.push(undefined);',
  },
  {
    name: 'not the highest checkpoint chosen',
    file: 'src/pbft/selection.ts',
    find: 'if (checkpointOf(message) > start) {',
    replace: 'if (start === 0 || checkpointOf(message) < start) {',
  },
  {
    // A start that f+1 vouch for, as in TOCS '02, without its "with h < n": here the highest start says as much.
    name: 'B counts view-changes whose low water mark is at or above n',
    file: 'src/pbft/selection.ts',
    find: 'if (checkpointOf(message) > start) {',
    replace: `const vouched = viewChanges.filter((other) => checkpointOf(other) >= checkpointOf(message));
    if (checkpointOf(message) > start && vouched.length >= weakQuorum) {`,
  },
  {
    name: 'certificates in view-changes not checked',
    file: 'src/pbft/view-change-validity.ts',
    find: 'return certificate === undefined || isCheckpointCertificate(certificate, configuration, authentication);',
    replace: 'return true;',
  },
  {
    name: 'view-change timer not doubled',
    file: 'src/pbft/request-timer.ts',
    find: 'this.timeout = Math.min(2 * this.timeout, Timing.longestMs);',
    replace: '',
  },
  {
    name: 'f+1 higher view-changes not joined',
    file: 'src/pbft/view-change.ts',
    find: 'if (core.recovering || higher.length < weakQuorum) return;',
    replace: 'if (higher.length < 99) return;',
  },
  {
    name: 'one higher view-change is joined',
    file: 'src/pbft/view-change.ts',
    find: `    if (core.recovering || higher.length < weakQuorum) return;
    higher.sort((a, b) => b - a);
    this.start(higher[weakQuorum - 1]);`,
    replace: `    if (higher.length < 1) return;
    this.start(Math.max(...higher));`,
  },
  {
    name: 'no new-view retransmitted',
    file: 'src/pbft/view-change.ts',
    find: 'if (latest !== undefined && latest.view >= view) core.outbox.send(to, latest);',
    replace: '',
  },
  {
    name: 'requests not relayed to the new primary',
    file: 'src/pbft/requests.ts',
    find: 'for (const { request, proposed } of core.queue.all()) if (!proposed) core.outbox.send(primary, request);',
    replace: 'void primary;',
  },
  {
    name: 'waiting for a request whose slot was consumed',
    file: 'src/pbft/requests.ts',
    find: 'if (this.execution.settled(request)) this.core.queue.remove(request);',
    replace: '',
  },
  {
    name: 'signatures not checked before a view change',
    file: 'src/pbft/requests.ts',
    find: 'waiting.verified = core.authentication.verifyRequestSignature(waiting.request);',
    replace: 'waiting.verified = true;',
  },
  {
    name: 'only the first client has turns',
    file: 'src/pbft/request-timer.ts',
    find: 'const client = core.queue.clientAfter(this.client);',
    replace: 'const client = core.queue.clientAfter(-1);',
  },
];
