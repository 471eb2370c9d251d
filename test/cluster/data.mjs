// npm run soak:data [-- OPERATIONS [SEED [MOUNT-OPTIONS]]]: random operations on files, a million by default, every byte of
// them checked (test/posix/exerciser.c), on the mount of a cluster whose replicas are killed with SIGKILL and started
// again, one at a time, every other time the primary. At the end the replicas have one state. Needs root and a C compiler.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const EXERCISER = fileURLToPath(new URL('../posix/exerciser.c', import.meta.url));
const BASE_PORT = '19600';
const REPLICAS = 4;

function byzfs(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`byzfs ${args[0]}: ${stderr || stdout}`);
  return stdout;
}

async function main(operations, seed, options) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-data-'));
  const [directory, mounted, program] = ['cluster', 'mnt', 'exerciser'].map((name) => path.join(scratch, name));
  execFileSync('cc', ['-O1', '-Wall', '-o', program, EXERCISER]);
  const up = () =>
    byzfs('up', '--detach', '--dir', directory, '--mount', mounted, '--base-port', BASE_PORT, ...options);
  const status = (...more) => JSON.parse(byzfs('status', directory, '--json', ...more));
  const kill = (id) => process.kill(Number(fs.readFileSync(`${directory}/run/replica-${id}.pid`, 'utf8')), 'SIGKILL');
  const start = performance.now();
  let [kills, views, failed] = [0, 0, true];
  up();
  try {
    const exerciser = spawn(program, [mounted, String(operations), String(seed)], { stdio: 'inherit' });
    const ended = new Promise((resolve) => exerciser.on('exit', resolve));
    while (exerciser.exitCode === null && exerciser.signalCode === null) {
      await Promise.race([delay(5000 + Math.random() * 15_000), ended]);
      const { view, primary } = status();
      views = Math.max(views, view);
      const victim = kills % 2 === 0 ? primary : Math.floor(Math.random() * REPLICAS);
      kill(victim);
      kills++;
      await delay(Math.random() * 1500);
      up();
    }
    if ((await ended) !== 0) throw new Error(`the exerciser failed (seed ${seed}); all is left in ${scratch}`);
    const { replicas } = status('--barrier');
    const roots = new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`));
    if (roots.size !== 1) throw new Error(`the replicas' states differ: ${[...roots].join(', ')}`);
    const seconds = Math.round((performance.now() - start) / 1000);
    console.log(`${seconds} s, ${kills} replicas killed, view ${views}; one state`);
    failed = false;
  } finally {
    byzfs('down', '--dir', directory);
    if (!failed) fs.rmSync(scratch, { recursive: true });
  }
}

const [operations = '1000000', seed = '1', options] = process.argv.slice(2);
await main(Number(operations), Number(seed), options === undefined ? [] : ['-o', options]);
