// npm run soak:hostile [-- SECONDS [SEED]]: all attacks of test/cluster/hostile at once on a mounted cluster, while files are
// written on one mount and read on another, every byte compared. Prints latencies before, during and after, and the memory
// of each process over time. Fails if a byte is wrong, a call fails, a process ends, or one grows over the last half of the
// attack by more than GROWTH. Needs root.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { work } from './hostile/workload.mjs';

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const SELF = fileURLToPath(import.meta.url);
const ATTACKERS = fileURLToPath(new URL('./hostile/attackers.mjs', import.meta.url));
const ATTACKS = ['noise', 'silent', 'slow', 'nonsense', 'deaf', 'many', 'fast'];
const BASE_PORT = 19_500;
/** Share of the whole time that is before the attack, and after it. */
const MARGIN = 0.1;
/** Of the most that a process takes in the last quarter of the attack, over the one before: share, and bytes on top. */
const GROWTH = 0.2;
const SLACK_BYTES = 32 * 2 ** 20;
const SAMPLE_MS = 500;
/** Calls under way when the attack begins or ends. */
const SETTLING_MS = 1000;

function byzfs(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`byzfs ${args[0]}: ${stderr || stdout}`);
  return stdout;
}

/** The processes of the cluster by what they are. */
function processes(directory) {
  const run = path.join(directory, 'run');
  const found = new Map();
  for (const name of fs.readdirSync(run).sort()) {
    const read = () => fs.readFileSync(path.join(run, name), 'utf8');
    if (/^replica-\d+\.pid$/.test(name)) found.set(name.replace('.pid', ''), Number.parseInt(read(), 10));
    if (/^mount-.*\.json$/.test(name)) {
      const { pid, mountpoint } = JSON.parse(read());
      found.set(`mount ${path.basename(mountpoint)}`, pid);
    }
  }
  return found;
}

function memoryOf(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  if (kilobytes === undefined) throw new Error(`process ${pid} has ended`);
  return Number(kilobytes) * 1024;
}

/** What it has computed so far: seconds. */
function processorOf(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const mebibytes = (bytes) => `${Math.round(bytes / 2 ** 20)}`;

/** How each process fared: lines for people, and what is wrong. */
function judged(samples) {
  const lines = ['resident memory during the attack, MiB, in ten parts of it, the most of each part'];
  const wrong = [];
  for (const [name, bytes] of samples) {
    const most = (from, to) =>
      Math.max(...bytes.slice(Math.floor(from * bytes.length), Math.max(1, Math.floor(to * bytes.length))));
    const parts = Array.from({ length: 10 }, (_, i) => mebibytes(most(i / 10, (i + 1) / 10)).padStart(5));
    const [third, last] = [most(0.5, 0.75), most(0.75, 1)];
    lines.push(`${name.padEnd(12)}${parts.join('')}`);
    if (last > (1 + GROWTH) * third + SLACK_BYTES) {
      wrong.push(`${name} grew from ${mebibytes(third)} to ${mebibytes(last)} MiB over the last half`);
    }
  }
  return { lines, wrong };
}

function table(latencies) {
  const lines = ['latency, ms               calls     p50     p99     most'];
  for (const [phase, kinds] of Object.entries(latencies)) {
    for (const [kind, { calls, p50, p99, most }] of Object.entries(kinds)) {
      const figures = [calls, p50.toFixed(1), p99.toFixed(1), most.toFixed(0)];
      lines.push(`${`${phase} ${kind}`.padEnd(23)}${figures.map((each) => String(each).padStart(8)).join('')}`);
    }
  }
  return lines;
}

/** Runs a program to its end. @returns what it printed */
function ended(child, what) {
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => (code === 0 ? resolve(stdout) : reject(new Error(`${what} ended with ${code}`))));
  });
}

async function main(seconds, seed) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-hostile-'));
  const [directory, written, read] = ['cluster', 'written', 'read'].map((name) => path.join(scratch, name));
  const clients = ['mount', 'nonsense', 'deaf', 'many'].flatMap((name) => ['--client', name]);
  byzfs('init', directory, '--base-port', String(BASE_PORT), '--encryption', 'on', ...clients);
  try {
    byzfs('up', '--detach', '--dir', directory, '--mount', written);
    fs.mkdirSync(read);
    byzfs('mount', directory, read);
    byzfs('client', 'add', directory, 'fast', '--rate', '50');
    const before = processes(directory);
    const marginMs = MARGIN * seconds * 1000;
    const attackMs = seconds * 1000 - 2 * marginMs;
    const times = [marginMs, marginMs + attackMs + SETTLING_MS, seconds * 1000].map(String);
    const stdio = ['ignore', 'pipe', 'inherit'];
    const worker = ended(
      spawn(process.execPath, [SELF, 'work', written, read, String(seed), ...times], { stdio }),
      'the workload',
    );
    worker.catch(() => undefined);
    await delay(marginMs);
    // Attackers have machines of their own: they are not to take this one's processors from whom they attack.
    const attack = ['-n', '15', process.execPath, ATTACKERS, directory, String(attackMs / 1000), ...ATTACKS];
    const attackers = ended(spawn('nice', attack, { stdio }), 'the attackers');
    attackers.catch(() => undefined);
    const computed = new Map([...before].map(([name, pid]) => [name, processorOf(pid)]));
    const samples = new Map([...before.keys()].map((name) => [name, []]));
    for (const end = Date.now() + attackMs; Date.now() < end; await delay(SAMPLE_MS)) {
      for (const [name, pid] of before) samples.get(name).push(memoryOf(pid));
    }
    const busy = [...before].map(([name, pid]) => {
      const share = (processorOf(pid) - computed.get(name)) / (attackMs / 1000);
      return `  ${name}: ${Math.round(100 * share)} % of a processor`;
    });
    const met = JSON.parse((await attackers).trimEnd().split('\n').at(-1));
    const { files, latencies } = JSON.parse(await worker);
    const { lines, wrong } = judged(samples);
    const encounters = Object.entries(met).map(([name, told]) => `  ${name}: ${JSON.stringify(told)}`);
    console.log(
      [
        ...table(latencies),
        '',
        ...lines,
        '',
        'during the attack',
        ...busy,
        '',
        'what the attackers met',
        ...encounters,
      ].join('\n'),
    );
    const after = processes(directory);
    for (const [name, pid] of before) if (after.get(name) !== pid) wrong.push(`${name} has ended`);
    const { view, replicas } = JSON.parse(byzfs('status', directory, '--json', '--barrier'));
    const roots = new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`));
    if (roots.size !== 1) wrong.push(`the replicas' states differ: ${[...roots].join(', ')}`);
    if (wrong.length > 0) throw new Error(wrong.join('; '));
    console.log(`\n${files} files written, and every byte of them read as it was; one state, in view ${view}`);
  } finally {
    // Down takes what is mounted elsewhere too.
    byzfs('down', '--dir', directory);
    fs.rmSync(scratch, { recursive: true });
  }
}

if (process.argv[2] === 'work') {
  const [written, read, ...numbers] = process.argv.slice(3);
  await work(written, read, ...numbers.map(Number));
} else {
  await main(Number(process.argv[2] ?? 600), Number(process.argv[3] ?? 1));
}
