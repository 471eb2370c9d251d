import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runFloor } from '../../../bench/micro/floor.js';

const NEVER = new AbortController().signal;

describe('a program that is run in turn with the benchmark', { timeout: 180_000 }, () => {
  let directory: string;
  let program: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'byzfs-floor-'));
    program = join(directory, 'floor.mjs');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const isRunning = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
    } catch {
      return false;
    }
  };

  /** It starts a process that never ends, notes its pid, and then does as it is told. */
  const writeProgram = (then: string): void =>
    writeFileSync(
      program,
      `import { spawn } from 'node:child_process';
       import { writeFileSync } from 'node:fs';
       const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
       writeFileSync(${JSON.stringify(join(directory, 'pid'))}, String(child.pid));
       ${then}`,
    );

  const gone = async (): Promise<void> => {
    const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
    expect(pid).toBeGreaterThan(0);
    while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  };

  it('yields its figures, and what it started ends with it', async () => {
    writeProgram(
      `console.log(JSON.stringify({ operations: 10, opsPerSecond: 5, p50Us: 1, p99Us: 2 })); process.exit();`,
    );
    const figures = await runFloor(program, 1, 10, 0, NEVER);
    expect(figures).toEqual({ operations: 10, opsPerSecond: 5, p50Us: 1, p99Us: 2, seconds: 2 });
    await gone();
  });

  it('is ended when it takes too long, with what it started', async () => {
    writeProgram('setInterval(() => {}, 1000);');
    await expect(runFloor(program, 1, 10, 0, NEVER, 6000)).rejects.toThrow('had not ended after 6 s');
    await gone();
  });

  it('is ended when the benchmark is, with what it started', async () => {
    writeProgram('setInterval(() => {}, 1000);');
    const controller = new AbortController();
    const running = runFloor(program, 1, 10, 0, controller.signal);
    const ended = expect(running).rejects.toThrow('interrupted');
    while (!existsSync(join(directory, 'pid'))) await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort(new Error('interrupted'));
    await ended;
    await gone();
  });
});
