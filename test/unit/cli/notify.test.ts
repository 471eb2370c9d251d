import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { canReceiveDescriptors } from '../../../fs-client/kernel/dev-fuse/descriptor.js';
import { notifyManager, runNotifyProgram, sendDatagram } from '../../../src/cli/notify.js';
import { findProgram } from '../../../src/programs.js';
import { Manager } from '../../notified.js';

const directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
const ways = [
  { way: 'koffi', send: sendDatagram, missing: canReceiveDescriptors() ? null : 'koffi does not load' },
  {
    way: 'systemd-notify',
    send: runNotifyProgram,
    missing: findProgram('systemd-notify') === null ? 'no systemd-notify' : null,
  },
];
const names = [
  { kind: 'a path', name: join(directory, 'notify') },
  { kind: 'an abstract name', name: `@byzfs-test-${process.pid}` },
];

describe('what systemd is told', () => {
  const managers: Manager[] = [];
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  afterEach(() => {
    for (const manager of managers.splice(0)) manager.end();
    delete process.env.NOTIFY_SOCKET;
  });

  async function manager(name: string): Promise<Manager> {
    const started = new Manager(name);
    managers.push(started);
    await started.hears('listening');
    return started;
  }

  for (const { way, send, missing } of ways) {
    for (const { kind, name } of names) {
      it.skipIf(missing !== null)(
        `arrives by ${way} at ${kind}${missing === null ? '' : ` (${missing})`}`,
        async () => {
          const listening = await manager(`${name}-${way}`);
          expect(send(listening.name, 'READY=1\nSTATUS=well')).toBe(true);
          await listening.hears('STATUS=well');
          // The program also asks whether it was read.
          expect(listening.heard.filter((line) => line !== 'BARRIER=1')).toEqual([
            ...['listening', 'READY=1', 'STATUS=well'],
          ]);
        },
      );
    }
  }

  it('is nothing where nobody listens, and that is known', () => {
    expect(notifyManager('READY=1')).toBe(true);
    process.env.NOTIFY_SOCKET = join(directory, 'nobody');
    expect(notifyManager('READY=1')).toBe(false);
  });
});
