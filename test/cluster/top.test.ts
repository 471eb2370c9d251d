import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI, TestCluster, until } from './harness.js';

const ENTERED = '\x1b[?1049h';
const LEFT = '\x1b[?7h\x1b[?25h\x1b[?1049l';

describe('byzfs top', { timeout: 240_000 }, () => {
  const cluster = new TestCluster();
  let children: ChildProcess[] = [];
  beforeAll(() => cluster.up('--no-mount').then(() => undefined), 120_000);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await cluster.destroy();
  }, 60_000);

  it('prints what it saw once, for people and for machines', async () => {
    const words = await cluster.byzfs('top', cluster.directory, '--once', '--interval', '0.5');
    expect(words.code).toBe(0);
    expect(words.stdout).toMatch(/^cluster [0-9a-f]{16} {2}f = 1 /);
    expect(words.stdout).toMatch(/^All 4 replicas are well: view \d+, replica \d is primary$/m);
    expect(words.stdout).not.toContain('\x1b');
    const ordering = cluster.status({ barrier: true });
    const json = await cluster.byzfs('top', cluster.directory, '--once', '--json', '--interval', '3');
    await ordering;
    const look = JSON.parse(json.stdout);
    expect(look).toMatchObject({ f: 1, primary: look.view % 4, quorum: true });
    expect(look.callsPerSecond).toBeGreaterThan(0);
    expect(look.p50Seconds).toBeGreaterThan(0);
    expect(look.p99Seconds).toBeGreaterThanOrEqual(look.p50Seconds);
    expect(look.replicas).toHaveLength(4);
    expect(look.replicas[3]).toMatchObject({ id: 3, up: true, state: 'normal', suspected: null });
  });

  it('goes on, a line for each look, and tells of a replica that has gone', async () => {
    const child = spawn(process.execPath, [CLI, 'top', cluster.directory, '--json', '--interval', '0.3']);
    children.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk));
    const looks = () =>
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    await until('three looks', () => looks().length >= 3, 100_000);
    cluster.kill(3);
    await until('it is down', () => looks().at(-1).replicas[3].up === false, 100_000);
    expect(looks().at(-1)).toMatchObject({ quorum: true });
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  it.each([
    ['q', 'q'],
    ['Ctrl-C', '\x03'],
  ])('leaves the terminal as it found it, at %s', async (_, key) => {
    // A terminal of its own, whose settings are printed before and after.
    const command = `stty -g; ${process.execPath} ${CLI} top ${cluster.directory} --interval 0.3; echo status $?; stty -g`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm', SHELL: '/bin/bash' },
    });
    children.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk));
    await until('a picture', () => text.includes('replica 3 does not answer'), 100_000);
    child.stdin.write(key);
    await once(child, 'exit');
    const [before, rest] = text.split(ENTERED);
    const [picture, after] = rest.split(LEFT);
    expect(picture).toContain('Calls are answered');
    const [status, settings] = after.trim().split('\r\n');
    expect(status).toBe('status 0');
    expect(settings).toBe(before.trim());
    expect(after).not.toContain('\x1b');
    children = children.filter((each) => each !== child);
  });

  it('says what is wrong with its options', async () => {
    const ran = await cluster.byzfs('top', cluster.directory, '--interval', '0');
    expect([ran.code, ran.stderr]).toEqual([
      2,
      expect.stringMatching(/Seconds from 0\.2 to 3600 expected: see byzfs top --help\n$/),
    ]);
  });
});
