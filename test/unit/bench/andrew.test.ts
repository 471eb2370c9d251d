import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runAndrew } from '../../../bench/andrew/andrew.js';
import { PHASES, runPhases, writeSource } from '../../../bench/andrew/phases.js';
import { generateTree } from '../../../bench/andrew/tree.js';

let scratch: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const signal = new AbortController().signal;

const inDirectory = (name: string): string => {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  return path;
};
const step = async () => {};

describe('the source tree', { timeout: 120_000 }, () => {
  it('has the size of the Andrew benchmark', () => {
    const tree = generateTree();
    expect(tree.files.length).toBeGreaterThanOrEqual(65);
    expect(tree.files.length).toBeLessThanOrEqual(80);
    expect(tree.directories.length).toBeGreaterThanOrEqual(11);
    expect(tree.bytes).toBeGreaterThan(250_000);
    expect(tree.bytes).toBeLessThan(350_000);
    const sizes = tree.files.map(({ content }) => content.length).sort((a, b) => a - b);
    expect(sizes.at(-1)! / sizes[sizes.length >> 1]).toBeGreaterThan(1.5);
  });

  it('is the same for the same seed, and another for another', () => {
    const bytes = (seed: number) => Buffer.concat(generateTree(seed).files.map(({ content }) => content));
    expect(bytes(7).equals(bytes(7))).toBe(true);
    expect(bytes(7).equals(bytes(8))).toBe(false);
  });

  it.each([1999, 3])('compiles without a warning into the program that was computed, seed %i', (seed) => {
    const tree = generateTree(seed);
    writeSource(tree, join(scratch, 'tree'));
    const make = spawnSync('make', ['-s', '-j4', 'CFLAGS=-O1 -Wall -Wextra -Werror -Iinclude'], {
      cwd: join(scratch, 'tree'),
    });
    expect(make.stderr.toString()).toBe('');
    expect(make.status).toBe(0);
    const { stdout } = spawnSync(join(scratch, 'tree', tree.program));
    expect(stdout.toString()).toBe(tree.expectedOutput);
  });
});

const small = generateTree(1, 1);

describe('the phases', { timeout: 120_000 }, () => {
  const tree = small;

  it('run on a plain directory', async () => {
    const source = join(scratch, 'source');
    writeSource(tree, source);
    let steps = 0;
    const options = { tree, source, work: inDirectory('work'), copies: 2, step: async () => void steps++ };
    const times = await runPhases(options);
    expect(times.map(({ name }) => name)).toEqual([...PHASES]);
    const operations = Object.fromEntries(times.map((time) => [time.name, time.operations]));
    expect(operations).toEqual({
      mkdir: 2 * (tree.directories.length + 1),
      copy: 2 * tree.files.length,
      stat: 2 * (tree.files.length + tree.directories.length + 1),
      read: 2 * tree.files.length,
      compile: 2 * (tree.units + 1),
    });
    for (const { seconds } of times) expect(seconds).toBeGreaterThan(0);
    expect(steps).toBe(2 * PHASES.length);
  });

  it('fail on one wrong byte', async () => {
    const source = join(scratch, 'source');
    writeSource(tree, source);
    const path = join(source, 'src/main.c');
    const content = readFileSync(path);
    content[100] ^= 1;
    writeFileSync(path, content);
    const run = runPhases({ tree, source, work: inDirectory('work'), copies: 1, step });
    await expect(run).rejects.toThrow(/src\/main\.c: read back other than written, from byte 100 on/);
  });

  it('fail on a wrong size and on wrong output', async () => {
    const source = join(scratch, 'source');
    writeSource(tree, source);
    writeFileSync(join(source, 'src/main.c'), 'int main(void) { return 0; }\n');
    await expect(runPhases({ tree, source, work: inDirectory('work'), copies: 1, step })).rejects.toThrow(
      /src\/main\.c: size 29/,
    );
    const other = { ...tree, expectedOutput: 'something else\n' };
    writeSource(tree, join(scratch, 'good'));
    const wrong = runPhases({
      tree: other,
      source: join(scratch, 'good'),
      work: inDirectory('other'),
      copies: 1,
      step,
    });
    await expect(wrong).rejects.toThrow(/wrong output/);
  });
});

describe('the benchmark', { timeout: 120_000 }, () => {
  it('reports medians and ratios of interleaved targets', async () => {
    const report = await runAndrew({
      command: ['false'],
      copies: 1,
      tree: small,
      runs: 2,
      builtIn: ['local'],
      paths: [{ name: 'other', path: scratch }],
      signal,
      progress: { start: () => {}, step: () => {} },
    });
    expect(report.bench).toBe('andrew');
    expect(report.targets.map(({ name }) => name)).toEqual(['local', 'other']);
    for (const target of report.targets) {
      expect(target.phases.map(({ name }) => name)).toEqual([...PHASES]);
      expect(target.totalSeconds).toBeGreaterThan(0);
      for (const phase of target.phases) expect(phase.runs).toHaveLength(2);
    }
    expect(Object.keys(report.ratios)).toEqual(['local/other']);
    expect(Object.keys(report.ratios['local/other'])).toEqual([...PHASES, 'total']);
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('says what is wrong when a cluster does not start', async () => {
    const command = [process.execPath, '-e', 'console.error("byzfs: no luck"); process.exit(1)'];
    const run = runAndrew({
      command,
      copies: 1,
      runs: 1,
      builtIn: ['byzfs'],
      paths: [],
      signal,
      progress: { start: () => {}, step: () => {} },
    });
    await expect(run).rejects.toThrow('no luck');
  });
});
