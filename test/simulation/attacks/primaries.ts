import type { Batch, PrePrepare, Request } from '../../../src/pbft/messages.js';
import { honesty, type Puppet } from '../byzantine/puppet.js';
import { batchOf, seal, unproven } from '../fake-authentication.js';
import { Violation } from '../violation.js';
import type { Attack } from './attack.js';
import { RawClient } from './raw-client.js';
import { type Stage, wholeBatchOf } from './stage.js';

const PUPPET = 0;

/** Everyone is proposed the same: another batch than the honest one. */
function proposing(puppet: Puppet, change: (batch: Batch) => Batch): void {
  const proposed = new Map<string, PrePrepare>();
  puppet.says = (message) => {
    if (message.kind === 'commit') return [];
    if (message.kind !== 'pre-prepare') return [message];
    const key = `${message.view} ${message.sequence}`;
    const changed = proposed.get(key) ?? { ...message, batch: change(wholeBatchOf(message)) };
    proposed.set(key, changed);
    return [changed];
  };
  puppet.hears = (message) => {
    // Its honest half has not proposed that.
    if (message.kind === 'prepare' && message.view % 4 === PUPPET) puppet.tellAll({ ...message, kind: 'commit' });
  };
}

/** Each client asks for something, and is answered, by this primary or the next. */
function callAll(stage: Stage): void {
  const calls = [0, 1, 2].map((client) => stage.append(client));
  stage.until('clients are not answered', () => stage.answered(...calls), 6000);
}

/** Requests in the name of clients that never made them. */
const inventedRequests: Attack = {
  name: 'a primary proposes requests that no client made',
  puppet: PUPPET,
  carryOut(stage) {
    let made = 0;
    proposing(stage.puppet, (batch) => {
      const [request] = batch.requests;
      if (request === undefined) return batch;
      const operation = Buffer.from(`append invented-${++made}`);
      const calls = request.calls.map((call) => ({ ...call, operation }));
      const invented = seal({ session: request.session, readOnly: false, replier: request.replier, calls }, 4);
      return batchOf(batch.time, [unproven(invented), ...batch.requests]);
    });
    callAll(stage);
  },
};

/** Genuine requests, once more in every batch after their own. */
const repeatedRequests: Attack = {
  name: 'a primary proposes again what was executed',
  puppet: PUPPET,
  carryOut(stage) {
    const earlier: Request[] = [];
    proposing(stage.puppet, (batch) => {
      const requests = [...earlier, ...batch.requests];
      earlier.splice(0, 1, ...batch.requests);
      return batchOf(batch.time, requests);
    });
    callAll(stage);
    callAll(stage);
  },
};

/** Times that no correct clock shows. */
const wrongTimes: Attack = {
  name: 'a primary proposes times far from the truth',
  puppet: PUPPET,
  carryOut(stage) {
    const { world, random } = stage;
    const shift = random.pick([86_400, 600, -600]);
    // Time has passed since the last batch: otherwise one from long ago would be executed right after it.
    for (const host of world.hosts) host.clock.offset += 3_600_000;
    proposing(stage.puppet, ({ time, requests }) => batchOf({ ...time, seconds: time.seconds + shift }, requests));
    const earliest = world.earliestClock();
    callAll(stage);
    world.checkTimeSince(earliest);
  },
};

/** Orders everything but what one client asks for, while an accomplice keeps everyone waiting for something else. */
const starvation: Attack = {
  name: 'a primary starves a client while another floods',
  puppet: PUPPET,
  world: { weather: { minDelayMs: 4, maxDelayMs: 8, loss: 0, duplication: 0, reordering: false } },
  carryOut(stage) {
    const { puppet, world } = stage;
    const [accomplice, victim] = [0, 2];
    const proposed = new Map<string, PrePrepare>();
    puppet.says = (message, to) => {
      if (message.kind !== 'pre-prepare') return honesty(message, to);
      const requests = wholeBatchOf(message).requests.filter(({ session }) => session.client !== victim);
      if (requests.length === message.batch.requests.length) return [message];
      const key = `${message.view} ${message.sequence}`;
      const changed = proposed.get(key) ?? { ...message, batch: batchOf(message.batch.time, requests) };
      proposed.set(key, changed);
      return [changed];
    };
    puppet.hears = (message) => {
      if (message.kind === 'prepare' && proposed.has(`${message.view} ${message.sequence}`)) {
        puppet.tellAll({ ...message, kind: 'commit' });
      }
    };
    const raw = new RawClient(world, accomplice);
    raw.open();
    stage.run(50);
    const starved = stage.append(victim);
    let flooding = true;
    let sequence = 0;
    const flood = (): void => {
      if (!flooding) return;
      raw.sendAll(raw.request(0, ++sequence, `append ${stage.token()}`));
      world.scheduler.after(3, flood);
    };
    flood();
    stage.mustBeAnswered(starved, 5000, 'one primary is faulty');
    flooding = false;
    puppet.says = honesty;
  },
};

/** One backup hears nothing of it. The others have no complaint, so that only their word can help, and no view change. */
const leftOut: Attack = {
  name: 'a primary leaves out one backup',
  puppet: PUPPET,
  carryOut(stage) {
    const { puppet, world } = stage;
    const victim = 3;
    puppet.says = (message, to) => (to === victim ? [] : [message]);
    const sequence = stage.host(1).state.lastExecuted + 1;
    callAll(stage);
    if (!stage.within(5000, () => stage.hasCommitted(victim, sequence))) {
      throw new Violation(
        'convergence',
        `${world.hosts[victim].name} has not executed ${sequence}, which all others have`,
      );
    }
    puppet.says = honesty;
  },
};

export const PRIMARY_ATTACKS: readonly Attack[] = [
  ...[inventedRequests, repeatedRequests, wrongTimes, starvation],
  leftOut,
];
