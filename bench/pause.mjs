// node bench/pause.mjs [ID]: the longest any single file operation takes while a replica (2, a backup; 0 is the primary) is
// killed with SIGKILL during a copy, and started again from its own disk. Starts a cluster of its own in a temporary directory; needs root.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const FILES = 400;

/** Copies files one by one and prints each copy's duration in ms: a process of its own, as the mount's user is. */
function copy(target) {
  const data = Buffer.alloc(8192, 7);
  const slowest = { ms: 0, file: '' };
  const all = [];
  for (let i = 0; i < FILES; i++) {
    const start = performance.now();
    const fd = fs.openSync(path.join(target, `f${i}`), 'w');
    fs.writeSync(fd, data);
    fs.closeSync(fd);
    const ms = performance.now() - start;
    all.push(ms);
    if (ms > slowest.ms) Object.assign(slowest, { ms, file: `f${i}` });
  }
  all.sort((a, b) => a - b);
  process.stdout.write(`${JSON.stringify({ medianMs: all[FILES >> 1], slowestMs: slowest.ms })}\n`);
}

function byzfs(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr || stdout);
  return stdout;
}

async function copying(target) {
  fs.mkdirSync(target);
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'copy', target], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  if (code !== 0) throw new Error(`the copy ended with ${code}`);
  return JSON.parse(text);
}

async function main(victim) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-pause-'));
  const directory = path.join(scratch, 'cluster');
  const mountpoint = path.join(scratch, 'mnt');
  byzfs('up', '--detach', '--dir', directory, '--mount', mountpoint, '--base-port', '23900');
  try {
    const quiet = await copying(path.join(mountpoint, 'quiet'));
    const during = copying(path.join(mountpoint, 'killed'));
    await delay(400);
    process.kill(Number(fs.readFileSync(path.join(directory, `run/replica-${victim}.pid`), 'utf8')), 'SIGKILL');
    const killed = await during;
    const back = copying(path.join(mountpoint, 'back'));
    await delay(200);
    byzfs('up', '--detach', '--dir', directory, '--mount', mountpoint);
    const returning = await back;
    for (const [name, { medianMs, slowestMs }] of Object.entries({ quiet, killed, returning })) {
      console.log(
        `${name.padEnd(10)} create + write 8 KiB + close: median ${medianMs.toFixed(1)} ms, slowest ${slowestMs.toFixed(0)} ms`,
      );
    }
    const { replicas } = JSON.parse(byzfs('status', directory, '--json', '--barrier'));
    const states = new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`));
    console.log(states.size === 1 ? `one state at ${[...states][0].slice(0, 24)}` : 'STATES DIFFER');
  } finally {
    byzfs('down', '--dir', directory);
    fs.rmSync(scratch, { recursive: true });
  }
}

if (process.argv[2] === 'copy') copy(process.argv[3]);
else await main(Number(process.argv[2] ?? 2));
