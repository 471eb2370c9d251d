import { afterEach, describe, expect, it } from 'vitest';
import { setProtocolLimits } from '../../simulation/protocol-limits.js';
import { Stage } from './stage.js';

const kept = (stage: Stage, name: string): Promise<void> =>
  expect(stage.text).toMatchFileSnapshot(`./transcripts/${name}.txt`);

const opened = (): Stage => {
  const stage = new Stage();
  stage.pass(20);
  stage.scene('The client opens a session');
  stage.request(stage.open(), 0);
  stage.deliver();
  stage.pass(20);
  return stage;
};

/** Golden transcripts: a change of what is said, or when, shows here. */
describe('transcripts', () => {
  afterEach(() => setProtocolLimits({}));

  it('normal case', async () => {
    const stage = opened();
    stage.scene('A request in three phases: replies after two of them, COMMIT with the next batch');
    stage.request(stage.append('a'), 0);
    stage.deliver();
    stage.scene('The next request');
    stage.request(stage.append('b'), 0);
    stage.deliver();
    stage.scene('Nothing follows: COMMIT leaves at the next tick');
    stage.pass(20);
    stage.executed();
    await kept(stage, 'normal-case');
  });

  it('large requests', async () => {
    setProtocolLimits({ inlineRequestBytes: 0 });
    const stage = new Stage();
    stage.pass(20);
    stage.scene('The client sends a large request to all: the pre-prepare names it only');
    stage.request(stage.open(), 0, 1, 2, 3);
    stage.deliver();
    stage.pass(20);
    stage.scene('The next one does not reach 3, which asks the primary for it after a moment');
    stage.request(stage.append('a'), 0, 1, 2);
    stage.deliver();
    stage.pass(60);
    stage.scene('Its client is not relied on for a while: the primary sends its requests on');
    stage.request(stage.append('b'), 0, 1, 2);
    stage.deliver();
    stage.pass(20);
    stage.executed();
    await kept(stage, 'large-requests');
  });

  it('durable call', async () => {
    const stage = opened();
    stage.scene('A durable call is not answered tentatively: COMMIT goes at once, all flush, and say so, signed');
    stage.request(stage.sync(), 0);
    stage.deliver();
    stage.executed();
    await kept(stage, 'durable-call');
  });

  it('view change with a prepared batch', async () => {
    const stage = opened();
    const a = stage.append('a');
    stage.scene(
      'The primary is cut off after its pre-prepare to 2 and 3; 2 is prepared and executes tentatively, 3 is not',
    );
    stage.request(a, 0);
    stage.deliver(({ to, message }) => {
      if (message.kind === 'pre-prepare') return to === 1;
      return to === 0 || (message.kind === 'prepare' && to !== 2);
    });
    stage.executed();
    stage.scene('The client asks everyone; view 1 takes the batch up, once its primary has fetched what it is (A3)');
    stage.request(a, 1, 2, 3);
    stage.deliver(({ message }) => message.kind !== 'request');
    stage.pass(820, [0]);
    stage.executed();
    await kept(stage, 'view-change-prepared');
  });

  it('view change over a gap', async () => {
    const stage = opened();
    const [a, b] = [stage.append('a', 0), stage.append('b', 1)];
    stage.scene('Nobody gets the batch a; b is prepared by 1, 2 and 3, and nothing of it is executed');
    stage.request(a, 0);
    stage.deliver(({ message }) => message.kind === 'pre-prepare');
    stage.request(b, 0);
    stage.deliver(({ to, message }) => to === 0 || message.kind === 'commit');
    stage.executed();
    stage.scene('The primary is gone: the new view fills the gap with the null request, a gets a new place');
    stage.request(a, 1, 2, 3);
    stage.pass(840, [0]);
    stage.executed();
    await kept(stage, 'view-change-gap');
  });

  it('catch-up after a partition', async () => {
    const stage = opened();
    const without3 = ({ from, to }: { from: number; to: number }): boolean => from === 3 || to === 3;
    stage.scene('3 is cut off while two batches commit');
    stage.request(stage.append('a'), 0);
    stage.deliver(without3);
    stage.request(stage.append('b'), 0);
    stage.deliver(without3);
    stage.pass(20, [3]);
    stage.executed();
    stage.scene('It is back: at the next STATUS the others attest what committed, and it asks for the contents');
    stage.pass(1000);
    stage.executed();
    await kept(stage, 'catch-up');
  });

  it('a restart in the middle of a view change', async () => {
    const stage = opened();
    const a = stage.append('a');
    stage.scene('The primary says nothing; all ask for view 1, and its primary is killed before it hears the others');
    stage.request(a, 1, 2, 3);
    stage.pass(780, [0]);
    stage.pass(20, [0, 1]);
    stage.pass(20, [0, 2, 3]);
    stage.restart(1);
    stage.scene('It is still in view 1, which its journal says it asked for, and begins it when it hears from 2 and 3');
    stage.pass(300, [0]);
    stage.executed();
    await kept(stage, 'restart-in-view-change');
  });
});
