import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Limits } from '../../src/limits.js';
import { shell, TestCluster, until } from './harness.js';

/** Each is one batch, its caller waiting for it. */
const OPERATIONS = Limits.transferLag + 600;

describe('a replica that is far behind', { timeout: 300_000 }, () => {
  const cluster = new TestCluster();
  const log = path.join(cluster.scratch, 'replica-3.log');

  beforeAll(async () => {
    expect(await cluster.up()).toMatch(/^ready/);
  }, 120_000);
  afterAll(() => cluster.destroy(), 60_000);

  const directories = (name: string, count: number): Promise<string> =>
    shell(
      `node -e "const fs = require('fs'); fs.mkdirSync('${name}'); for (let i = 0; i < ${count}; i++) fs.mkdirSync('${name}/' + i)"`,
      { cwd: cluster.mountpoint, timeoutMs: 240_000 },
    );

  it('takes the state from the others while a client goes on writing, and is one of them again', async () => {
    await shell(`head -c 3000000 /dev/urandom > before`, { cwd: cluster.mountpoint });
    await cluster.ready();
    cluster.kill(3);
    await directories('missed', OPERATIONS);
    const writing = directories('meanwhile', 500);
    cluster.startReplica(3);
    await until(
      'the transfer',
      () => fs.existsSync(log) && fs.readFileSync(log, 'utf8').includes('has the state'),
      60_000,
    );
    await writing;
    const { replicas } = await cluster.status({ barrier: true });
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    expect(replicas[3].state).toBe('normal');
    // Every quorum needs it now.
    cluster.kill(1);
    expect(await shell('ls missed | wc -l; ls meanwhile | wc -l', { cwd: cluster.mountpoint })).toBe(
      `${OPERATIONS}\n500\n`,
    );
    await shell('mkdir after', { cwd: cluster.mountpoint });
  });
});
