import { FAIR, type Weather } from '../network.js';
import type { Attack } from './attack.js';

/** One message takes longer than the time that a view is first given. */
const FARTHER: Weather = { minDelayMs: 900, maxDelayMs: 1200, loss: 0, duplication: 0, reordering: false };

const farAway: Attack = {
  name: 'all are far from each other',
  carryOut(stage) {
    const { world } = stage;
    world.network.weather = FARTHER;
    const calls = [0, 1, 2].map((client) => stage.append(client));
    for (const call of calls) stage.mustBeAnswered(call, 60_000, 'all are far from each other');
    world.network.weather = FAIR;
  },
};

/** What has prepared is proposed again an hour later. */
const oldBatches: Attack = {
  name: 'an hour lies between two proposals of a batch',
  carryOut(stage) {
    const { world } = stage;
    const commits = stage.lose((message) => message.kind === 'commit' && message.view === 0);
    const sequence = stage.host(1).state.lastExecuted + 1;
    stage.append(0);
    stage.until('nobody prepares', () => [1, 2, 3].every((id) => stage.hasPrepared(id, sequence)));
    const heal = stage.isolate(0);
    for (const host of world.hosts) host.clock.offset += 3_600_000;
    const call = stage.append(1);
    stage.within(6000, () => stage.answered(call));
    commits();
    heal();
  },
};

/** What is sent again comes in time for who waits for stable storage. */
const lostFlushed: Attack = {
  name: 'the first copy of each FLUSHED is lost',
  world: { synced: false },
  carryOut(stage) {
    const { world } = stage;
    const lost = new Set<string>();
    const heal = stage.lose((message, from, to) => {
      if (message.kind !== 'flushed') return false;
      return lost.size < lost.add(`${message.sequence} ${from} ${to}`).size;
    });
    const calls = [0, 1].map((client) => world.call(client, `sync ${stage.token()}`));
    for (const call of calls) stage.mustBeAnswered(call, 1500, 'messages were lost');
    heal();
  },
};

/** No checkpoint becomes stable until the log is full, and then the primary is gone. */
const fullLog: Attack = {
  name: 'a view is left with a full log',
  world: { limits: { checkpointInterval: 10, logSize: 20, batchRequests: 1 } },
  carryOut(stage) {
    const { world } = stage;
    const checkpoints = stage.loseKinds(['checkpoint'], () => true);
    stage.run(50);
    const full = stage.host(0).replica!.describe().stableCheckpoint + 20;
    let beyond = false;
    const watch = stage.lose((message) => {
      if (message.kind === 'pre-prepare' && message.sequence > full + 2) beyond = true;
      return false;
    });
    let left = 40;
    const next = (client: number): void => {
      if (left-- > 0) world.call(client, `append ${stage.token()}`, false, () => next(client));
    };
    for (const client of [0, 1, 2]) next(client);
    stage.until('the log is not filled', () => stage.hasCommitted(1, full - 1));
    stage.within(100, () => beyond);
    const heal = stage.isolate(0);
    left = 0;
    watch();
    const call = stage.append(1);
    stage.within(6000, () => stage.waitsFor(1, 1, 2, 3));
    checkpoints();
    stage.within(4000, () => stage.answered(call));
    heal();
  },
};

export const TIMING_ATTACKS: readonly Attack[] = [farAway, oldBatches, fullLog, lostFlushed];
