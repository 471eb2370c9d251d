import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, shell, TestCluster, until } from './harness.js';

describe('a replica that may have forgotten what it said', { timeout: 180_000 }, () => {
  let cluster: TestCluster;

  beforeEach(async () => {
    cluster = new TestCluster();
    await cluster.up();
    await shell(`cd ${cluster.mountpoint}; seq 1 5000 > numbers; sync numbers`);
  });
  afterEach(() => cluster.destroy());

  const replica = (id: number): string => path.join(cluster.directory, `replica-${id}`);
  const log = (id: number): string => fs.readFileSync(path.join(cluster.scratch, `replica-${id}.log`), 'utf8');

  const mountLog = (): string => {
    const run = path.join(cluster.directory, 'run');
    const [name] = fs.readdirSync(run).filter((each) => /^mount-.*\.log$/.test(each));
    return fs.readFileSync(path.join(run, name), 'utf8');
  };

  /** As far as a replica can tell that was killed. */
  const losePower = (id: number): void =>
    fs.writeFileSync(path.join(replica(id), 'journal', 'boot'), '11111111-2222-3333-4444-555555555555\n');

  const isLikeTheOthers = async (): Promise<void> => {
    await cluster.ready();
    expect(await shell(`tail -n 1 ${cluster.mountpoint}/numbers`)).toBe('5000\n');
    await shell(`cd ${cluster.mountpoint}; echo more > more; sync more`);
    const { replicas } = await cluster.status({ barrier: true });
    expect(new Set(replicas.map(({ stateRoot }) => stateRoot)).size).toBe(1);
    // Enough was ordered, if only nothing, that all it may have voted for is below a checkpoint.
    expect(replicas[3].stableCheckpoint).toBeGreaterThanOrEqual(512);
  };

  it('lost power: it says nothing until it is beyond all that it may have voted for', async () => {
    cluster.kill(3);
    losePower(3);
    cluster.startReplica(3);
    await isLikeTheOthers();
    expect(log(3)).toContain('votes may be forgotten');
  });

  it('lost power with all the others: they begin anew by themselves, with what was fsynced', async () => {
    const all = [0, 1, 2, 3];
    const unsynced = `
      const fs = require('fs');
      const fd = fs.openSync(process.argv[1], 'w');
      fs.writeSync(fd, 'unsynced');
      const other = fs.openSync(process.argv[2], 'r+');
      console.log('written');
      process.stdin.once('data', () => {
        const outcome = (action) => { try { action(); return 'ok'; } catch (error) { return error.code; } };
        console.log([() => fs.fsyncSync(fd), () => fs.fsyncSync(other)].map(outcome).join(' '));
        process.exit();
      });`;
    const files = ['lost', 'numbers'].map((name) => path.join(cluster.mountpoint, name));
    const writer = spawn(process.execPath, ['-e', unsynced, ...files], { stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    writer.stdout.on('data', (text: Buffer) => {
      said += text.toString();
    });
    await until('the file is written', () => said.includes('written'));
    for (const id of all) cluster.kill(id);
    for (const id of all) losePower(id);
    for (const id of all) cluster.startReplica(id);
    await cluster.ready();
    const { replicas } = await cluster.status();
    expect(replicas.map(({ incarnation }) => incarnation)).toEqual([1, 1, 1, 1]);
    await until('the mount has heard of it', () => mountLog().includes('a new incarnation of the group'));
    writer.stdin.write('now');
    await until('the writer is told', () => said.includes('ok'));
    expect(said).toBe('written\nEIO ok\n');
    expect(await shell(`tail -n 1 ${cluster.mountpoint}/numbers`)).toBe('5000\n');
    await shell(`cd ${cluster.mountpoint}; echo more > more; sync more`);
  });

  it('was killed, or stopped, and forgot nothing', async () => {
    cluster.kill(3);
    cluster.startReplica(3);
    await cluster.ready();
    await cluster.stop(3);
    fs.accessSync(path.join(replica(3), 'journal', 'boot'));
    cluster.startReplica(3);
    await cluster.ready();
    expect(log(3)).not.toContain('votes may be forgotten');
  });

  it('is given an old backup: it finds out by what it signed since, and rejoins', async () => {
    const backup = path.join(cluster.scratch, 'backup');
    await cluster.stop(3);
    fs.cpSync(replica(3), backup, { recursive: true });
    cluster.startReplica(3);
    await cluster.ready();
    // Every certificate now has its signature.
    cluster.kill(2);
    for (let i = 0; i < 2; i++) {
      await shell(`cd ${cluster.mountpoint}; echo ${i} > since; sync since`);
      await cluster.status({ barrier: true });
    }
    cluster.kill(3);
    fs.rmSync(replica(3), { recursive: true });
    fs.cpSync(backup, replica(3), { recursive: true });
    cluster.startReplica(3);
    cluster.startReplica(2);
    await until('it has found out', () => log(3).includes('went back in time'));
    await isLikeTheOthers();
  });

  it('lost its disk: it starts only when told to rejoin, and then catches up', async () => {
    cluster.kill(3);
    fs.rmSync(replica(3), { recursive: true });
    const start = ['replica', '--cluster', cluster.directory, '--id', '3'];
    const { code, stderr } = await cluster.byzfs(...start);
    expect([code, stderr]).toEqual([1, expect.stringContaining('--rejoin')]);
    cluster.startReplica(3, [CLI, ...start, '--rejoin']);
    await isLikeTheOthers();
  });
});
