import { expect, it } from 'vitest';
import type { Request } from '../../../src/pbft/messages.js';
import type { Authentication } from '../../../src/pbft/ports.js';
import { Stage } from './stage.js';

it('a request that comes before the batch that registers its client is taken as authentic once that has committed', () => {
  const stage = new Stage();
  const { surroundings } = stage.replicas[2] as unknown as { surroundings: { authentication: Authentication } };
  const later: Request[] = [];
  /** Replica 2 knows the client of `later` from its second batch on, as if that had registered it. */
  const isKnown = (request: Request) => !later.includes(request) || stage.replicas[2].describe().lastExecuted >= 2;
  const { authentication } = surroundings;
  for (const method of ['verifyRequestMac', 'verifyRequestSignature'] as const) {
    const verify = authentication[method].bind(authentication);
    authentication[method] = (request) => isKnown(request) && verify(request);
  }
  // Replica 3 says nothing, so that replica 2 is needed; and commits are slow to reach that.
  stage.request(stage.open(), 0, 1, 2, 3);
  stage.deliver(({ from }) => from === 3);
  stage.request(stage.append('registration'), 0);
  stage.deliver(({ from, to, message }) => from === 3 || (to === 2 && message.kind === 'commit'));
  const request = stage.append('later', 1);
  later.push(request);
  stage.request(request, 0);
  stage.deliver(({ from, to, message }) => from === 3 || (to === 2 && message.kind === 'commit'));
  expect(stage.replicas[2].describe().lastExecuted).toBeLessThan(2);
  stage.pass(600, [3]);
  stage.scene('end');
  stage.executed();
  for (const id of [0, 1, 2]) {
    expect(stage.text).toContain(`${id}: registration later (view 0, committed 3)`);
  }
});
