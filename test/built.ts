import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setup } from '../scripts/setup.mjs';

/**
 * Processes run the built program: built once, before the first of them, since it must not change under any other. What
 * tests compile (posix/compiled.ts) is in one place and goes when they are done.
 */
export default function prepare(): () => void {
  setup();
  const directory = mkdtempSync(join(tmpdir(), 'byzfs-compiled-'));
  // Other users run them too.
  chmodSync(directory, 0o755);
  process.env.BYZFS_COMPILED = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}
