import type { ReplicaId } from '../../../src/pbft/messages.js';
import { silence } from '../byzantine/puppet.js';
import { batchOf, FakeAuthentication } from '../fake-authentication.js';
import type { Attack } from './attack.js';
import type { Proposal, Stage } from './stage.js';

const PUPPET = 0;
/** Commits, and is not heard of until the others have gone on without it. */
const HIDDEN = 3;

/**
 * The replicas that know nothing of it go on: another client's request makes them leave view 0, and, if they can, they
 * order it where the hidden one has something else. Then the hidden one comes back.
 */
function goOnWithout(stage: Stage, heals: (() => void)[], ms: number): void {
  const heal = stage.isolate(HIDDEN);
  for (const each of heals) each();
  const call = stage.append(1);
  stage.within(ms, () => stage.answered(call));
  stage.run(stage.random.between(0, 300));
  heal();
}

/** Which replica pre-prepared what: the helper is needed for a quorum, the stranger has seen nothing of it. */
const roles = (stage: Stage): { helper: ReplicaId; stranger: ReplicaId } => {
  const [helper, stranger] = stage.shuffled(1, 2);
  return { helper, stranger };
};

const commit = ({ view, sequence }: Proposal, digest: Uint8Array) =>
  ({ kind: 'commit', view, sequence, digest }) as const;

/** One replica prepares alone, with the primary's commits, as many as it likes, as all the company it has. */
const aloneWithCommits: Attack = {
  name: 'one replica prepares alone, and the primary commits',
  puppet: PUPPET,
  carryOut(stage) {
    const { helper } = roles(stage);
    const { puppet } = stage;
    const heals = [
      stage.loseKinds(['prepare'], (from, to) => !(from === helper && to === HIDDEN)),
      stage.loseKinds(['commit'], (from) => from !== PUPPET),
      stage.parrot(HIDDEN),
    ];
    const proposal = stage.captureProposal(() => stage.append(0));
    const { sequence, batch } = proposal;
    stage.propose(proposal, batch, helper, HIDDEN);
    stage.until('nobody prepares', () => stage.hasPrepared(HIDDEN, sequence));
    for (let i = 0; i < 3; i++) puppet.tell(HIDDEN, commit(proposal, batch.digest));
    stage.run(30);
    stage.lieOfFirstView(() => ({}));
    goOnWithout(stage, heals, 6000);
  },
};

/** Prepares where f+1 correct replicas have it, and commits at one of them. */
function commitHidden(stage: Stage, helper: ReplicaId, proposal: Proposal): (() => void)[] {
  const { puppet } = stage;
  const { sequence, batch } = proposal;
  const pair = [helper, HIDDEN];
  const heals = [
    stage.loseKinds(['prepare'], (from, to) => !(pair.includes(from) && pair.includes(to))),
    stage.loseKinds(['commit'], (from, to) => !((from === PUPPET || from === helper) && to === HIDDEN)),
  ];
  stage.propose(proposal, batch, helper, HIDDEN);
  stage.until('nobody prepares', () => stage.hasPrepared(HIDDEN, sequence) && stage.hasPrepared(helper, sequence));
  puppet.tell(HIDDEN, commit(proposal, batch.digest));
  stage.until('the hidden one does not commit', () => stage.hasCommitted(HIDDEN, sequence));
  return heals;
}

/** A batch commits at one replica, is known to one more, and nobody else admits to it. */
const denied: Attack = {
  name: 'a committed batch is denied',
  puppet: PUPPET,
  carryOut(stage) {
    const { helper } = roles(stage);
    const proposal = stage.captureProposal(() => stage.append(0));
    const heals = commitHidden(stage, helper, proposal);
    stage.lieOfFirstView(() => ({}));
    goOnWithout(stage, heals, 3000);
  },
};

/** The same, and of the next view, which comes to nothing, the primary says that the null request has prepared in it. */
const invented: Attack = {
  name: 'a null request is said to have prepared after a committed batch',
  puppet: PUPPET,
  carryOut(stage) {
    const { helper } = roles(stage);
    const proposal = stage.captureProposal(() => stage.append(0));
    const { sequence } = proposal;
    const heals = commitHidden(stage, helper, proposal);
    const first = stage.lose((message) => message.kind === 'new-view' && message.view === 1);
    const digest = new FakeAuthentication(PUPPET).batchDigest({ seconds: 0, nanoseconds: 0 }, []);
    stage.lieOfFirstView((view) => (view === 1 ? {} : { prepared: [{ sequence, view: view - 1, digest }] }));
    goOnWithout(stage, heals, 6000);
    first();
  },
};

/** Another batch was proposed to the third replica for the same number, and the primary claims that it prepared. */
const contradicted: Attack = {
  name: 'another batch is said to have prepared where one committed',
  puppet: PUPPET,
  carryOut(stage) {
    const { helper, stranger } = roles(stage);
    const proposal = stage.captureProposal(() => stage.append(0));
    const { sequence, batch } = proposal;
    const other = batchOf({ ...batch.time, seconds: batch.time.seconds + 1 }, batch.requests);
    stage.propose(proposal, other, stranger);
    const heals = commitHidden(stage, helper, proposal);
    stage.lieOfFirstView(() => ({ prepared: [{ sequence, view: 0, digest: other.digest }] }));
    goOnWithout(stage, heals, 4000);
  },
};

/** Two batches for one number: one replica is to vote for both, so that each prepares somewhere. Then silence. */
const twoFaces: Attack = {
  name: 'one replica is proposed two batches for one number',
  puppet: PUPPET,
  carryOut(stage) {
    const [torn, first, second] = stage.shuffled(1, 2, 3);
    const proposal = stage.captureProposal(() => stage.append(0));
    const { sequence, batch } = proposal;
    const other = batchOf({ ...batch.time, seconds: batch.time.seconds + 1 }, batch.requests);
    const heals = [
      stage.lose((message, from, to) => {
        if (message.kind !== 'prepare' || message.sequence !== sequence) return false;
        const side = Buffer.compare(message.digest, batch.digest) === 0 ? first : second;
        return from !== torn || to !== side;
      }),
      stage.loseKinds(['commit'], () => true),
    ];
    stage.propose(proposal, batch, torn, first);
    stage.propose(proposal, other, second);
    stage.until('nobody prepares', () => stage.hasPrepared(first, sequence));
    stage.propose(proposal, other, torn);
    stage.within(100, () => stage.hasPrepared(second, sequence));
    stage.puppet.says = silence;
    for (const heal of heals) heal();
  },
};

export const HIDDEN_COMMIT_ATTACKS: readonly Attack[] = [aloneWithCommits, denied, invented, contradicted, twoFaces];
