/** What becomes of requests whose caller was killed before the service answered. */
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Channel } from '../../../fs-client/kernel/dev-fuse/channel.js';
import { PendingRequests } from '../../../fs-client/kernel/dev-fuse/pending-requests.js';
import type { Request } from '../../../fs-client/kernel/dev-fuse/request.js';

const EINTR = 4;
const UNIQUE = { uniqueLow: 8, uniqueHigh: 1, opcode: 14 } as Request;

describe('a pending request', () => {
  const sent: number[] = [];
  const tooLate: number[] = [];
  let requests: PendingRequests;
  let answer: (result: { errno: number }) => void;
  beforeEach(() => {
    vi.useFakeTimers();
    sent.length = 0;
    tooLate.length = 0;
    const channel = { send: (_low: number, _high: number, errno: number) => sent.push(errno) } as unknown as Channel;
    requests = new PendingRequests(channel, pino({ level: 'silent' }));
    const promise = new Promise<{ errno: number }>((resolve) => {
      answer = resolve;
    });
    requests.settle(
      UNIQUE,
      promise,
      ({ errno }) => sent.push(errno),
      ({ errno }) => tooLate.push(errno),
    );
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is answered EINTR after a while, and what it came to is then taken back', async () => {
    requests.interrupt(8, 1);
    await vi.advanceTimersByTimeAsync(1900);
    expect(sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(sent).toEqual([EINTR]);
    answer({ errno: 0 });
    await vi.advanceTimersByTimeAsync(0);
    expect([sent, tooLate]).toEqual([[EINTR], [0]]);
  });

  it('is answered as usual if that takes less', async () => {
    requests.interrupt(8, 1);
    answer({ errno: 0 });
    await vi.advanceTimersByTimeAsync(5000);
    expect([sent, tooLate]).toEqual([[0], []]);
  });

  it('is not touched by the interrupt of another', async () => {
    requests.interrupt(8, 0);
    await vi.advanceTimersByTimeAsync(5000);
    expect(sent).toEqual([]);
  });
});
