import { describe, expect, it } from 'vitest';
import { ResponseTime } from '../../../src/pbft/response-time.js';

const bounds = { initial: 1000, least: 250, most: 2000 };

const timeoutAfter = (...samples: number[]): number => {
  const time = new ResponseTime(bounds);
  for (const each of samples) time.note(each);
  return time.timeout;
};

describe('how long an answer to a large request is waited for', () => {
  it('is a second before anything was answered', () => {
    expect(timeoutAfter()).toBe(1000);
  });

  it('is the mean and four times the deviation, within bounds', () => {
    expect(timeoutAfter(400)).toBe(1200);
    expect(timeoutAfter(1)).toBe(250);
    expect(timeoutAfter(60_000, 60_000)).toBe(2000);
  });

  it('comes down to what answers take, and not below what small requests are given', () => {
    expect(timeoutAfter(...new Array(50).fill(600))).toBeCloseTo(600, 0);
    expect(timeoutAfter(2000, ...new Array(100).fill(20))).toBe(250);
  });
});
