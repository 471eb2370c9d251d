import { honesty } from '../byzantine/puppet.js';
import type { Attack } from './attack.js';

/**
 * A batch is executed tentatively at one replica in view 0, again at another alone in view 1, and in view 2 something else
 * goes before it. The puppet backs each of the two towards clients, and a read asks both while they are of that mind.
 */
const lostTwice: Attack = {
  name: 'what one replica after another executes tentatively is lost',
  puppet: 0,
  carryOut(stage) {
    const { puppet, world } = stage;
    const [second, third, first] = [1, 2, 3];
    const parrot = stage.parrot(first, second);
    const inFirst = stage.lose((message, from, to) => {
      if (message.kind === 'prepare' && message.view === 0) return !(from === second && to === first);
      return message.kind === 'commit' && message.view < 2;
    });
    // The next request but one comes before this in the end.
    const notTold = stage.lose(
      (message, _from, to) => message.kind === 'request' && to === third && message.session.client === 0,
    );
    const proposal = stage.captureProposal(() => stage.append(0));
    const { sequence, batch } = proposal;
    stage.propose(proposal, batch, second, first);
    stage.until('nobody prepares', () => stage.hasPrepared(first, sequence));
    // From now on the first hears clients only.
    const deaf = stage.isolate(first, true);
    puppet.says = (message, to) => {
      if ('view' in message && message.view === 0) return [];
      if (message.kind === 'view-change') return [puppet.viewChange(message.view)];
      // In view 1 only the second, its primary, may prepare.
      if ((message.kind === 'prepare' || message.kind === 'commit') && message.view === 1 && to !== second) return [];
      return honesty(message, to);
    };
    puppet.acts = () => {
      const views = [second, third].map((id) => stage.viewOf(id));
      for (const to of [second, third]) {
        puppet.complain(to, Math.min(...views));
        if (Math.max(...views) > Math.min(...views)) puppet.tell(to, puppet.viewChange(Math.max(...views)));
      }
    };
    const inSecond = stage.lose((message, from, to) => {
      return message.kind === 'prepare' && message.view === 1 && !(to === second && from !== first);
    });
    stage.until('view 1 does not begin', () => stage.isIn(1, second, third), 6000);
    puppet.acts = () => {};
    if (stage.within(3000, () => stage.hasPrepared(second, sequence))) {
      world.call(2, 'last', true);
      stage.run(150);
    }
    const gone = stage.isolate(second);
    deaf();
    puppet.acts = () => {
      puppet.complain(third, 1);
      for (const to of [third, first]) if (stage.viewOf(to) < 2) puppet.tell(to, puppet.viewChange(2));
    };
    stage.until('view 2 does not begin', () => stage.isIn(2, third), 8000);
    puppet.reform();
    const other = stage.append(1);
    stage.within(4000, () => stage.answered(other));
    for (const each of [inFirst, inSecond, notTold, gone, parrot]) each();
    stage.run(stage.random.between(0, 200));
  },
};

/** A batch prepares at one replica only, which is then cut off; no other knows of it when the view changes. */
const lostOnce: Attack = {
  name: 'a tentative batch is lost in a view change',
  carryOut(stage) {
    const first = 3;
    const prepares = stage.lose((message, _from, to) => {
      if (message.kind === 'commit') return message.view === 0;
      return message.kind === 'prepare' && message.view === 0 && to !== first;
    });
    const sequence = stage.host(first).state.lastExecuted + 1;
    stage.append(0);
    stage.until('nobody prepares', () => stage.hasPrepared(first, sequence));
    const gone = stage.isolate(first);
    const other = stage.append(1);
    stage.within(6000, () => stage.answered(other));
    prepares();
    gone();
    stage.run(stage.random.between(0, 200));
  },
};

export const REPLY_ATTACKS: readonly Attack[] = [lostTwice, lostOnce];
