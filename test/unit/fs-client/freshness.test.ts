import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Freshness } from '../../../fs-client/cache/freshness.js';

const MS = 1000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('lets what was learnt be answered for its time', () => {
  const freshness = new Freshness(MS);
  const until = freshness.until();
  expect(freshness.left(until)).toBe(MS);
  vi.advanceTimersByTime(400);
  expect(freshness.left(until)).toBeCloseTo(600);
  vi.advanceTimersByTime(700);
  expect(freshness.left(until)).toBe(0);
});

it('does not let it be answered across a lock, whenever the answer came', () => {
  const freshness = new Freshness(MS);
  const before = freshness.until();
  vi.advanceTimersByTime(1);
  const withTheLock = freshness.restart();
  expect(freshness.left(before)).toBe(0);
  expect(freshness.leftOfName(before)).toBe(0);
  expect(freshness.left(withTheLock)).toBe(MS);
  expect(freshness.left(freshness.until())).toBe(MS);
});

it('waits for the names that a kernel keeps, and gives it none for a while', async () => {
  const freshness = new Freshness(MS);
  freshness.leftOfName(freshness.until());
  vi.advanceTimersByTime(300);
  let expired = false;
  void freshness.namesExpired().then(() => {
    expired = true;
  });
  // A second longer: it counts from when it had the answer.
  await vi.advanceTimersByTimeAsync(1650);
  expect(expired).toBe(false);
  expect(freshness.leftOfName(freshness.until())).toBe(0);
  expect(freshness.left(freshness.until()), 'attributes are another matter').toBe(MS);
  await vi.advanceTimersByTimeAsync(51);
  expect(expired).toBe(true);
  await freshness.namesExpired();
  await vi.advanceTimersByTimeAsync(60_001);
  expect(freshness.leftOfName(freshness.until())).toBe(MS);
});
