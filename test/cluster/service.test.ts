/** byzfs as a service of systemd: what it says of itself, and units that systemd accepts. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { findProgram } from '../../src/programs.js';
import { Manager } from '../notified.js';
import { CLI, run, TestCluster, until } from './harness.js';

const UNITS = path.resolve(import.meta.dirname, '../../docs/systemd');

describe('a replica that systemd has started', { timeout: 300_000 }, () => {
  let cluster: TestCluster;
  let manager: Manager;
  afterEach(async () => {
    manager.end();
    await cluster.destroy();
  });

  it.each([
    ['by itself', 1, []],
    ['under a keeper', 4, ['--recovery-period', '3600']],
  ])('says when it is ready, alive and stopping: %s', async (_, replicas, options) => {
    cluster = new TestCluster(replicas);
    const passphrase = path.join(cluster.scratch, 'passphrase');
    fs.writeFileSync(passphrase, 'open\n', { mode: 0o600 });
    await cluster.init('--client', 'admin', '--encrypt', '--passphrase-file', passphrase, ...options);
    manager = new Manager(path.join(cluster.scratch, 'notify'));
    await manager.hears('listening');
    // A passphrase that can be read once.
    const replica = `exec "$0" "$1" replica --cluster "$2" --id 0 --passphrase-file <(echo open)`;
    const service = spawn('bash', ['-c', replica, process.execPath, CLI, cluster.directory], {
      env: { ...process.env, NOTIFY_SOCKET: manager.name, WATCHDOG_USEC: '200000' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await manager.hears('READY=1');
    await manager.hears('WATCHDOG=1');
    expect(manager.heard).not.toContain('STOPPING=1');
    service.kill('SIGTERM');
    await until('it has ended', () => service.exitCode !== null);
    expect(service.exitCode).toBe(0);
    await manager.hears('STOPPING=1');
    const once = manager.heard.filter((line) => line !== 'WATCHDOG=1' && line !== 'listening');
    expect(once).toEqual(['READY=1', 'STOPPING=1']);
  });

  it('says why it is not', async () => {
    cluster = new TestCluster(1);
    await cluster.init();
    fs.chmodSync(path.join(cluster.directory, 'keys', 'replica-0.key'), 0o644);
    manager = new Manager(`@byzfs-test-${process.pid}`);
    await manager.hears('listening');
    process.env.NOTIFY_SOCKET = manager.name;
    const { code } = await cluster.byzfs('replica', '--cluster', cluster.directory, '--id', '0');
    delete process.env.NOTIFY_SOCKET;
    expect(code).toBe(1);
    await until('it is told', () => manager.heard.some((line) => /^STATUS=.*mode 0644.*chmod 600 it$/.test(line)));
    expect(manager.heard).not.toContain('READY=1');
  });
});

const noSystemd = findProgram('systemd-analyze') === null ? ' (skipped: no systemd-analyze)' : '';

describe.skipIf(noSystemd !== '')(`the units${noSystemd}`, { timeout: 60_000 }, () => {
  const scratch = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'byzfs-units-'));
  afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

  it.each(['byzfs-replica@2.service', 'byzfs-mount@mnt-shared.service', 'mnt-shared.mount'])(
    '%s is one to systemd',
    async (unit) => {
      for (const name of fs.readdirSync(UNITS)) {
        // systemd wants the program to be there.
        const text = fs.readFileSync(path.join(UNITS, name), 'utf8').replaceAll('/usr/local/bin/byzfs', CLI);
        fs.writeFileSync(path.join(scratch, name), text);
      }
      const { code, stdout, stderr } = await run('systemd-analyze', ['verify', path.join(scratch, unit)]);
      expect([code, stdout + stderr]).toEqual([0, '']);
    },
  );

  it('of a replica leaves it little but its directory and the network', async () => {
    const unit = path.join(UNITS, 'byzfs-replica@.service');
    const { code, stdout } = await run('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit]);
    expect([code, stdout.split('\n').slice(-3).join('')]).toEqual([0, expect.stringContaining('OK')]);
  });
});
