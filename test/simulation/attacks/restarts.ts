import type { Batch, ReplicaId } from '../../../src/pbft/messages.js';
import { honesty } from '../byzantine/puppet.js';
import { batchOf } from '../fake-authentication.js';
import type { Attack } from './attack.js';
import type { Stage } from './stage.js';

/** Another batch, which its digest names. */
const wrong = ({ time, requests }: Batch): Batch => batchOf({ ...time, seconds: time.seconds + 1 }, requests);

function restart(stage: Stage, id: ReplicaId): void {
  const host = stage.host(id);
  host.kill();
  host.start();
}

/** A replica restarts after it has sent a view-change, and is led to vote once more in the view it has left. */
const voteAfterViewChange: Attack = {
  name: 'a replica that has left a view restarts, and is asked for votes in it',
  puppet: 0,
  carryOut(stage) {
    const { puppet } = stage;
    const [stranger, restarted, stays] = [1, 2, 3];
    const votes = stage.loseKinds(['prepare', 'commit'], (from) => from !== puppet.id);
    const proposal = stage.captureProposal(() => stage.append(0));
    const { view, sequence, batch } = proposal;
    stage.propose(proposal, batch, restarted, stays);
    // The one that stays hears nothing of the new view, nor that others complain of this one.
    let before = true;
    const deaf = stage.loseKinds(['view-change', 'new-view'], (_from, to) => to === stays);
    const quiet = stage.loseKinds(['status'], (from, to) => to === stays && (before || from !== restarted));
    const late = stage.loseKinds(['new-view'], (_from, to) => to === restarted);
    stage.lieOfFirstView();
    const call = stage.append(1);
    stage.until('the view is not left', () => stage.waitsFor(1, restarted) && stage.isIn(1, stranger), 6000);
    const forgotten = stage.loseKinds(['view-change'], (_from, to) => to === restarted);
    restart(stage, restarted);
    before = false;
    votes();
    const vote = { view, sequence, digest: batch.digest } as const;
    const others = stage.loseKinds(
      ['prepare', 'commit'],
      (from, to) => from !== puppet.id && ![restarted, stays].includes(to),
    );
    puppet.acts = () => puppet.tell(stays, { kind: 'commit', ...vote });
    stage.within(1000, () => stage.hasCommitted(stays, sequence));
    puppet.acts = () => {};
    const heal = stage.isolate(stays);
    for (const each of [others, forgotten, late, deaf, quiet]) each();
    stage.within(6000, () => stage.answered(call));
    heal();
  },
};

/** A primary restarts as soon as its proposal has committed at one backup, and is asked for another at once. */
const proposeTwice: Attack = {
  name: 'a primary restarts when its proposal has committed at one backup',
  puppet: 2,
  carryOut(stage) {
    const { puppet } = stage;
    const [primary, committer, stranger] = [0, 1, 3];
    // The state has made permanent all that came before: nothing but the proposal is at stake.
    stage.run(150);
    const heals = [
      stage.loseKinds(['pre-prepare', 'prepare'], (_from, to) => to === stranger),
      stage.loseKinds(['commit'], (_from, to) => to !== committer),
    ];
    const sequence = stage.host(committer).state.lastExecuted + 1;
    stage.append(0);
    stage.until('nothing commits', () => stage.hasCommitted(committer, sequence));
    const heal = stage.isolate(committer);
    restart(stage, primary);
    for (const each of heals) each();
    // Whatever the primary proposes has the puppet's votes.
    puppet.says = (message, to) =>
      message.kind === 'prepare' || message.kind === 'commit' ? [] : honesty(message, to);
    puppet.hears = (message) => {
      if (message.kind !== 'pre-prepare') return;
      const { view, batch } = message;
      for (const kind of ['prepare', 'commit'] as const) {
        puppet.tellAll({ kind, view, sequence: message.sequence, digest: batch.digest });
      }
    };
    const call = stage.append(1);
    stage.within(3000, () => stage.answered(call));
    puppet.says = honesty;
    puppet.hears = () => {};
    heal();
  },
};

/** What clients were told is read again while views change and replicas restart, and nothing new may be agreed. */
const readsAfterAcceptedWrite: Attack = {
  name: 'reads while an accepted write is tentative, rolled back, and to be executed again',
  carryOut(stage) {
    const { world } = stage;
    const key = 'k0';
    const read = (client: number): void => void world.call(client, `get ${key}`, true);
    const commits = stage.loseKinds(['commit'], () => true);
    const write = world.call(0, `put ${key} ${stage.token()}`);
    stage.until('the write is not accepted', () => stage.answered(write));
    read(1);
    stage.run(50);
    const heal = stage.isolate(0, true);
    const late = stage.loseKinds(['new-view'], () => true);
    stage.append(2);
    stage.until('the view is not left', () => stage.waitsFor(1, 1, 2, 3), 6000);
    read(1);
    stage.run(120);
    const prepares = stage.loseKinds(['prepare'], () => true);
    late();
    if (stage.within(1000, () => stage.isIn(1, 1, 2, 3))) read(1);
    stage.run(120);
    for (const id of [1, 2, 3]) restart(stage, id);
    read(2);
    stage.run(120);
    for (const each of [prepares, commits, heal]) each();
  },
};

/** A replica that is far behind hears of an invention as committed, and is sent wrong batches for all it asks for. */
const poisonedCatchUp: Attack = {
  name: 'a replica that lags is sent wrong batches',
  puppet: 3,
  carryOut(stage) {
    const { puppet } = stage;
    const lags = 2;
    const heal = stage.isolate(lags);
    for (let i = 0; i < 24; i++) {
      const call = stage.append(i % 2);
      stage.until('a call is not answered', () => stage.answered(call));
    }
    const { state } = stage.host(lags);
    const invention = wrong(stage.decided(0, stage.host(0).state.lastExecuted));
    puppet.says = (message, to) => {
      if (message.kind !== 'batch-data' || to !== lags) return [message];
      return [{ ...message, batch: wrong(message.batch) }];
    };
    puppet.hears = (message, from) => {
      if (message.kind !== 'fetch-batch' || from !== lags) return;
      if (Buffer.compare(message.digest, invention.digest) !== 0) return;
      puppet.tell(lags, { kind: 'batch-data', sequence: message.sequence, batch: invention });
    };
    // For a moment only the puppet's word reaches it.
    const alone = stage.lose((message, from, to) => to === lags && from !== puppet.id && message.kind !== 'reply');
    heal();
    const sequence = state.lastExecuted + 1;
    puppet.acts = () => puppet.tell(lags, { kind: 'committed', sequence, digest: invention.digest });
    stage.run(150);
    puppet.acts = () => {};
    alone();
    stage.within(3000, () => state.lastExecuted >= stage.host(0).state.lastExecuted);
  },
};

/**
 * One replica has prepared, alone, what the others then decided otherwise; it takes the state that came of that from them,
 * and is asked what had committed there by one who lags and hears of nobody else but liars.
 */
const preparedAndReplaced: Attack = {
  name: 'a replica takes the state, and has another batch on record as prepared than the one that led to it',
  f: 2,
  puppet: 0,
  accomplice: 6,
  world: {
    synced: false,
    limits: { checkpointInterval: 10, logSize: 40, transferLag: 10, historyBatches: 1000, batchRequests: 1 },
  },
  carryOut(stage) {
    const { puppet, accomplice } = stage;
    const [misled, lags, rest] = [1, 5, [2, 3, 4]];
    const rejoins = stage.isolate(lags);
    const heals = [stage.loseKinds(['prepare'], (_from, to) => to !== misled), stage.loseKinds(['commit'], () => true)];
    const proposal = stage.captureProposal(() => stage.append(0));
    const { sequence, batch } = proposal;
    stage.propose(proposal, batch, misled, ...rest);
    stage.until('nobody prepares', () => stage.hasPrepared(misled, sequence));
    stage.lieOfFirstView();
    const returns = stage.isolate(misled);
    for (const each of heals) each();
    while (stage.stableAt(rest[0]) < sequence + 20) {
      const call = stage.append(1);
      stage.until('no call is answered', () => stage.answered(call), 20_000);
    }
    // One by one it does not get them.
    const batches = stage.loseKinds(['committed', 'batch-data'], (_from, to) => to === misled);
    returns();
    stage.until('no state is taken', () => stage.host(misled).state.installed >= sequence, 20_000);
    batches();
    // It does not learn that there is a state to be taken, either.
    const silent = stage.lose(
      (message, from, to) => to === lags && (rest.includes(from) || message.kind === 'checkpoint'),
    );
    rejoins();
    for (const liar of [puppet, accomplice]) {
      liar.says = (message, to) => (to === lags ? [] : [message]);
      liar.acts = () => liar.tell(lags, { kind: 'committed', sequence, digest: batch.digest });
      liar.hears = (message, from) => {
        if (message.kind !== 'fetch-batch' || from !== lags || message.sequence !== sequence) return;
        liar.tell(lags, { kind: 'batch-data', sequence, batch });
      };
    }
    stage.within(2000, () => stage.hasCommitted(lags, sequence));
    for (const liar of [puppet, accomplice]) liar.reform();
    silent();
  },
};

export const RESTART_ATTACKS: readonly Attack[] = [
  voteAfterViewChange,
  proposeTwice,
  readsAfterAcceptedWrite,
  poisonedCatchUp,
  preparedAndReplaced,
];
