import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SCENES } from '../../../bench/faults/faults.js';
import { ORDER } from '../../../bench/page/page.js';
import { AXES } from '../../../bench/scale/scale.js';
import { BUILT_IN_TARGETS } from '../../../bench/targets.js';
import { runAll } from '../../../src/cli/bench/all.js';
import { main } from '../../../src/cli/main.js';

async function help(...verbs: string[]): Promise<string> {
  let text = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  try {
    expect(await main(['bench', ...verbs, '--help'])).toBe(0);
  } finally {
    spy.mockRestore();
  }
  return text.replace(/\s+/g, ' ');
}

describe('byzfs bench', () => {
  it('offers what there is: the verbs cannot load the benchmarks to ask', async () => {
    const verbs = await help();
    for (const bench of ORDER) expect(verbs).toContain(` ${bench} `);
    expect(verbs).not.toContain('liar');
    for (const verb of ['andrew', 'postmark', 'small', 'sequential']) {
      expect(await help(verb)).toContain(`of ${BUILT_IN_TARGETS.join(', ')};`);
    }
    expect(await help('scale')).toContain(`of ${AXES.join(', ')} `);
    expect(await help('faults')).toContain(`of ${SCENES.join(', ')} `);
  });
});

describe('byzfs bench all', { timeout: 180_000 }, () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** A command that notes how it was called, and fails for one verb. */
  const noting = (failing: string): string[] => {
    const program = join(directory, 'noting.mjs');
    writeFileSync(
      program,
      `import { appendFileSync } from 'node:fs';
      const args = process.argv.slice(2);
      appendFileSync(${JSON.stringify(join(directory, 'calls'))}, args.join(' ') + '\\n');
      process.exit(args[1] === ${JSON.stringify(failing)} ? 1 : 0);`,
    );
    return [process.execPath, program];
  };
  const calls = () => readFileSync(join(directory, 'calls'), 'utf8').trim().split('\n');

  it('runs each one into the same report, those of file systems on the given targets too', async () => {
    await runAll({ report: '/r', target: [{ name: 'nfs', path: '/mnt' }] }, noting('none'));
    expect(calls()).toEqual([
      'bench andrew --copies 10 --runs 5 --target nfs=/mnt --report /r',
      ...['postmark', 'small', 'sequential'].map((verb) => `bench ${verb} --target nfs=/mnt --report /r`),
      ...['micro', 'faults', 'scale'].map((verb) => `bench ${verb} --report /r`),
    ]);
  });

  it('stops at the first that fails', async () => {
    await expect(runAll({ report: '/r' }, noting('small'))).rejects.toThrow('bench small failed');
    expect(calls()).toHaveLength(3);
  });
});
