import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountpoints, run } from './harness.js';

const SCRIPT = path.resolve(import.meta.dirname, '../../bench/peers/run.sh');

const PROGRAMS: Record<string, string[]> = {
  bindfs: ['bindfs'],
  sshfs: ['sshfs', 'sshd'],
  gluster: ['glusterd', 'gluster', 'glusterfs'],
};

const missing = (peer: string): string[] =>
  PROGRAMS[peer].filter((name) => !['/usr/bin', '/usr/sbin'].some((place) => fs.existsSync(path.join(place, name))));

const named = (peer: string): string =>
  missing(peer).length === 0 ? peer : `${peer} (skipped: no ${missing(peer).join(', ')} here)`;

describe('other file systems beside byzfs', { timeout: 240_000 }, () => {
  let scratch: string;
  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-peers-test-'));
  });
  afterEach(() => fs.rmSync(scratch, { recursive: true, force: true }));

  /** Runs a script of bash beside the peers: $2 is NAME=PATH of the first. */
  const beside = (peers: string[], script: string) =>
    run('env', [`TMPDIR=${scratch}`, SCRIPT, ...peers, '--', 'bash', '-ec', script, 'script'], { timeoutMs: 200_000 });

  for (const peer of Object.keys(PROGRAMS)) {
    it.skipIf(missing(peer).length > 0)(
      `${named(peer)}: is mounted for a command, and gone when that fails`,
      async () => {
        const script = `
        [ "$1" = --target ]; mnt=\${2#${peer}=}; mountpoint -q "$mnt"
        echo written > "$mnt/f"; cat "$mnt/f"; exit 3`;
        const { code, stdout, stderr } = await beside([peer], script);
        expect({ code, stdout, stderr }).toEqual({ code: 3, stdout: 'written\n', stderr: '' });
        expect(mountpoints().filter((mount) => mount.startsWith(scratch))).toEqual([]);
        expect(fs.readdirSync(scratch)).toEqual([]);
      },
    );
  }

  it('are refused by a name that is none, or without a command', async () => {
    for (const args of [['nothing', '--', 'true'], ['bindfs'], ['bindfs', '--'], ['--', 'true']]) {
      const { code, stderr } = await run(SCRIPT, args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^usage: /);
    }
  });
});
