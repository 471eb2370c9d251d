import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceClient } from '../../../src/client/types.js';
import { encodeOperation } from '../../../src/fileservice/operations.js';
import { CallWatch } from '../../../src/profiling/calls.js';
import { minus, plus } from '../../../src/profiling/figures.js';
import { askFigures, offerFigures } from '../../../src/profiling/outlet.js';

describe('figures', () => {
  it('are added and subtracted number by number; what is missing is 0', () => {
    const a = { x: 1, deep: { y: 2, only: { z: 3 } } };
    const b = { x: 10, deep: { y: 20 }, more: 4 };
    expect(plus<object>(a, b)).toEqual({ x: 11, deep: { y: 22, only: { z: 3 } }, more: 4 });
    expect(minus<object>(b, a)).toEqual({ x: 9, deep: { y: 18, only: { z: -3 } }, more: 4 });
  });
});

describe('an outlet', () => {
  let directory: string;
  beforeEach(() => {
    directory = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-test-'));
  });
  afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

  it('gives the figures of the moment, also in the place of one that a killed process left', async () => {
    const at = path.join(directory, 'made', 'replica-0');
    await expect(askFigures(at)).rejects.toMatchObject({ code: 'ENOENT' });
    let asked = 0;
    offerFigures(at, () => ({ asked: ++asked }));
    offerFigures(at, () => ({ asked: ++asked, long: 'x'.repeat(300_000) }));
    expect(await askFigures(at)).toMatchObject({ asked: 1 });
    expect(((await askFigures(at)) as { long: string }).long).toHaveLength(300_000);
  });
});

describe('a watch over calls', () => {
  const root = { uid: 0, gid: 0, groups: [] };
  const lookup = encodeOperation(root, { op: 'getattr', node: { ino: 1, generation: 0 } });
  const release = encodeOperation(root, { op: 'release', node: { ino: 1, generation: 0 } });

  it('counts them by operation, with those that are ordered, and knows when any was under way', async () => {
    const answers: ((result: Uint8Array) => void)[] = [];
    const service: ServiceClient = {
      call: () => new Promise((resolve) => answers.push(resolve)),
      close: async () => {},
    };
    const told: string[] = [];
    const watch = new CallWatch(({ op }) => {
      told.push(`+${op}`);
      return () => told.push(`-${op}`);
    });
    const watched = watch.watched(service);
    const before = watch.busyMs(performance.now());
    const calls = [watched.call(lookup, { readOnly: true }), watched.call(release)];
    expect(watch.current()).toEqual(['getattr', 'release']);
    const answer = Buffer.from('answer');
    answers[1](answer);
    expect(await calls[1]).toBe(answer);
    expect(watch.current()).toEqual(['getattr']);
    answers[0](answer);
    await calls[0];
    expect(watch.current()).toEqual([]);
    const busy = watch.busyMs(performance.now());
    expect(busy).toBeGreaterThan(before);
    expect(watch.busyMs(performance.now() + 1000)).toBe(busy);
    expect(watch.calls).toMatchObject({ getattr: { count: 1, ordered: 0 }, release: { count: 1, ordered: 1 } });
    expect(told).toEqual(['+getattr', '+release', '-release', '-getattr']);
  });
});
