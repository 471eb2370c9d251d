/** The Andrew-like benchmark: N copies of a generated source tree are made, copied, looked at, read and compiled. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CACHES, type MountedOptions, runMounted } from '../mounted.js';
import type { BenchReport } from '../report.js';
import { PHASES, runPhases, writeSource } from './phases.js';
import { DEFAULT_SEED, generateTree, type SourceTree } from './tree.js';

export interface AndrewOptions extends MountedOptions {
  copies: number;
  /** Default: the tree of `DEFAULT_SEED`. */
  tree?: SourceTree;
}

/** @throws BenchmarkError, above all if anything read back is not what was written */
export async function runAndrew(options: AndrewOptions): Promise<BenchReport> {
  const { copies, tree = generateTree() } = options;
  const source = mkdtempSync(join(tmpdir(), 'byzfs-andrew-source-'));
  try {
    writeSource(tree, source);
    return await runMounted(options, {
      name: 'andrew',
      parameters: {
        copies,
        seed: DEFAULT_SEED,
        filesPerCopy: tree.files.length,
        bytesPerCopy: tree.bytes,
        unitsPerCopy: tree.units,
        source: 'local disk, in the page cache',
        caches: CACHES,
        fsync: false,
        verified: 'sizes, every byte read back, output of the compiled program',
      },
      steps: PHASES.length * copies,
      withTotal: true,
      run: ({ work, warmUp, step }) => runPhases({ tree, source, work, copies: warmUp ? 1 : copies, step }),
    });
  } finally {
    rmSync(source, { recursive: true, force: true });
  }
}
