import type { Checkpoint, CheckpointCertificate, ReplicaId } from '../../../src/pbft/messages.js';
import { Violation } from '../violation.js';
import type { Attack } from './attack.js';
import type { Stage } from './stage.js';

/** One replica knows that a checkpoint is stable when the power fails everywhere: what it then reports must be there. */
const stableAndGone: Attack = {
  name: 'the power fails everywhere as soon as one replica has a stable checkpoint to show',
  puppet: 3,
  world: { synced: false, limits: { checkpointInterval: 10, logSize: 20, batchRequests: 1 } },
  carryOut(stage) {
    const { puppet } = stage;
    const votes: Checkpoint[] = [];
    let certificate: CheckpointCertificate | undefined;
    puppet.hears = (message, from) => {
      if (message.kind !== 'checkpoint' || message.replica !== from || certificate !== undefined) return;
      const matching = votes.filter(({ sequence }) => sequence === message.sequence);
      votes.push(message);
      if (matching.length === 1) certificate = puppet.certify(message, [...matching, message]);
    };
    for (let i = 0; certificate === undefined; i++) {
      const call = stage.append(i % 2);
      stage.until('no call is answered', () => certificate !== undefined || stage.answered(call));
    }
    const shown = certificate;
    stage.blackout();
    puppet.says = (message) => {
      if (message.kind !== 'new-incarnation' || message.report === undefined) return [message];
      return [{ ...message, report: puppet.report(message.report, shown) }];
    };
    stage.within(3000, () => [0, 1, 2].some((id) => stage.incarnationOf(id) > 0));
    const call = stage.append(2);
    stage.within(3000, () => stage.answered(call));
  },
};

/** The power fails at one replica, which recovers. @returns whether it has soon, before anyone loses patience */
function forgets(stage: Stage, id: ReplicaId): boolean {
  const host = stage.host(id);
  host.losePower();
  host.start();
  return stage.within(400, () => !host.forgetful);
}

/** Of three who let a batch commit at one of them, the other two forget that, one after the other. */
const oneAfterTheOther: Attack = {
  name: 'two replicas forget, one after the other, what a third has committed by their votes',
  world: { synced: false, limits: { checkpointInterval: 10, logSize: 20, batchRequests: 1 } },
  carryOut(stage) {
    const [first, second, stranger, committer] = [1, 0, 2, 3];
    const sequence = stage.host(committer).state.lastExecuted + 1;
    const heals = [
      stage.loseKinds(['pre-prepare', 'prepare'], (_from, to) => to === stranger),
      stage.loseKinds(['commit'], (_from, to) => to !== committer),
      stage.lose(
        (message) => (message.kind === 'committed' || message.kind === 'batch-data') && message.sequence >= sequence,
      ),
    ];
    stage.append(0);
    stage.until('nothing commits', () => stage.hasCommitted(committer, sequence));
    if (forgets(stage, first) && forgets(stage, second)) heals.push(stage.isolate(committer));
    const [prepares, commits, batches, isolation] = heals;
    for (const heal of [prepares, commits, batches]) heal();
    const call = stage.append(1);
    stage.within(5000, () => stage.answered(call));
    isolation?.();
  },
};

/**
 * An old backup of a replica is put back, of before two checkpoints that it signed. Those who show them have certificates
 * of it and two others, since the fourth was away.
 */
const backInTime: Attack = {
  name: 'the disk of a replica goes back in time',
  world: { limits: { checkpointInterval: 10, logSize: 20, batchRequests: 1 } },
  carryOut(stage) {
    const [away, victim, witness] = stage.shuffled(1, 2, 3);
    const host = stage.host(victim);
    host.kill();
    const putBack = host.backUp();
    host.start();
    const returns = stage.isolate(away);
    const from = stage.stableAt(witness);
    while (stage.stableAt(witness) < from + 20) {
      const call = stage.append(0);
      stage.until('no call is answered', () => stage.answered(call));
    }
    returns();
    host.kill();
    putBack();
    host.start();
    if (!stage.within(5000, () => !host.wentBack)) {
      throw new Violation('progress', `${host.name} does not find out that its disk went back in time`);
    }
  },
};

export const FORGETTING_ATTACKS: readonly Attack[] = [stableAndGone, oneAfterTheOther, backInTime];
