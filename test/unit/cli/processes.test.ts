import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canListen } from '../../../src/cli/local-replicas.js';
import { commandLine, describeTakenPort, isRunning, portHolder } from '../../../src/cli/proc.js';
import { ended, isOurs, runningReplica, stop, writePid } from '../../../src/cli/processes.js';
import { supervise } from '../../../src/cli/supervisor.js';
import { layoutOf } from '../../../src/cluster/layout.js';

let directory: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'byzfs-test-')));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** A process that has the command line of a verb, and does nothing. */
async function pretend(args: string[], script = 'setInterval(() => {}, 1000)', cwd = '/'): Promise<number> {
  const child = spawn(process.execPath, ['-e', `${script}; console.log("up")`, 'byzfs', ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  return child.pid!;
}

describe('processes', () => {
  it('are ours by verb, directory and replica, not by number', async () => {
    const pid = await pretend(['replica', '--cluster', directory, '--id', '2']);
    expect(isOurs(pid, 'replica', directory)).toBe(true);
    expect(isOurs(pid, 'replica', directory, 2)).toBe(true);
    expect(isOurs(pid, 'replica', directory, 1)).toBe(false);
    expect(isOurs(pid, 'mount', directory)).toBe(false);
    expect(isOurs(pid, 'replica', `${directory}-other`)).toBe(false);
    expect(isOurs(process.pid, 'replica', directory)).toBe(false);
  });

  it('are found when they were given a relative directory', async () => {
    const pid = await pretend(['replica', '--id=0', `--cluster=.`], undefined, directory);
    expect(isOurs(pid, 'replica', directory, 0)).toBe(true);
  });

  it('are not believed by a pid file alone', () => {
    writePid(layoutOf(directory).replicaPid(0));
    expect(runningReplica(directory, 0)).toBeNull();
  });

  it('are asked to end, then made to', async () => {
    const willing = await pretend([]);
    expect(await stop(willing, 5000)).toBe('stopped');
    expect(isRunning(willing)).toBe(false);
    const deaf = await pretend([], 'setInterval(() => {}, 1000); process.on("SIGTERM", () => {})');
    expect(await stop(deaf, 100)).toBe('killed');
    expect(await ended(deaf, 0)).toBe(true);
  });

  it('have a command line', async () => {
    const pid = await pretend(['with blank', '']);
    expect(commandLine(pid)!.slice(-3)).toEqual(['byzfs', 'with blank', '']);
    expect(commandLine(2 ** 30)).toBeNull();
  });
});

describe('ports', () => {
  let server: Server;
  const listen = (): Promise<number> =>
    new Promise((resolve) => {
      server = createServer().listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });

  it('that are taken name who has them', async () => {
    const port = await listen();
    expect(portHolder(port)?.pid).toBe(process.pid);
    expect(describeTakenPort(port)).toMatch(new RegExp(`^port ${port} is taken by pid ${process.pid} \\(.*\\)$`));
    expect(await canListen('127.0.0.1', port)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect(portHolder(port)).toBeNull();
    expect(await canListen('127.0.0.1', port)).toBe(true);
  });
});

describe('the supervisor', () => {
  const backOff = { firstMs: 5, limitMs: 20, forgivenMs: 60_000, pollMs: 5 };

  it('starts what ended again, also after failures, until it is told to stop', async () => {
    const lines: string[] = [];
    const ending = new AbortController();
    const first = await pretend([]);
    let attempts = 0;
    const restart = async () => {
      if (++attempts < 3) throw new Error('port is taken');
      setTimeout(() => ending.abort(), 20);
      return process.pid;
    };
    const watching = supervise(
      { name: 'replica-1', pid: first, restart },
      ending.signal,
      (line) => lines.push(line),
      backOff,
    );
    process.kill(first, 'SIGKILL');
    await watching;
    expect(lines).toEqual([
      `replica-1 (pid ${first}) ended: starting it again in 0.005 s`,
      'replica-1 cannot be started: port is taken: trying again in 0.01 s',
      'replica-1 cannot be started: port is taken: trying again in 0.02 s',
      `replica-1 runs again (pid ${process.pid})`,
    ]);
  });

  it('leaves alone what was ended on purpose', async () => {
    const lines: string[] = [];
    const supervised = { name: '/mnt', pid: 2 ** 30, restart: async () => null };
    await supervise(supervised, new AbortController().signal, (line) => lines.push(line), backOff);
    expect(lines.at(-1)).toBe('/mnt was ended on purpose: leaving it so');
  });
});
