// node bench/features.mjs [COPIES]: what each thing that a mount remembers or negotiates saves. The Andrew benchmark (all five
// phases, COPIES copies, default 1) on a cluster without replication, with everything and then with one feature left out at
// a time: requests of the kernel, and calls of the service, ordered ones and reads apart. Counts, not times. Needs root.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = new URL('../dist/', import.meta.url);
const CLI = fileURLToPath(new URL('src/cli/main.js', DIST));
const { FEATURES } = await import(new URL('fs-client/features.js', DIST).href);
const { isReadOnly } = await import(new URL('src/fileservice/operations.js', DIST).href);
const copies = process.argv[2] ?? '1';

function byzfs(...args) {
  const { status, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

/** Counters of a mount after a run: they are in the last line of its log. */
function countersOf(home, options, port) {
  const directory = path.join(home, 'cluster');
  const mountpoint = path.join(home, 'mnt');
  byzfs('init', directory, '--replicas', '1', '--base-port', port);
  byzfs('up', '--detach', '--dir', directory, '--mount', mountpoint, ...options);
  try {
    byzfs(
      'bench',
      'andrew',
      '--copies',
      copies,
      '--runs',
      '1',
      '--targets',
      'local',
      '--target',
      `byzfs=${mountpoint}`,
    );
  } finally {
    byzfs('down', '--dir', directory);
  }
  const run = path.join(directory, 'run');
  const log = fs.readdirSync(run).find((name) => /^mount-.*\.log$/.test(name));
  const lines = fs.readFileSync(path.join(run, log), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).findLast(({ msg }) => msg === 'unmounted');
}

const sum = (counts) => counts.reduce((total, [, count]) => total + count, 0);
const most = (counts) => counts.sort(([, a], [, b]) => b - a).slice(0, 6);
const named = (counts) =>
  most(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

console.log('| without | kernel requests | ordered calls | reads | the most frequent calls |');
console.log('| --- | --: | --: | --: | --- |');
for (const feature of [undefined, ...FEATURES]) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-features-'));
  try {
    const options = feature === undefined ? [] : ['-o', `without=${feature}`];
    const { calls, kernel } = countersOf(home, options, '25900');
    const entries = Object.entries(calls).filter(([op]) => op !== 'renew');
    const reads = entries.filter(([op]) => isReadOnly({ op }));
    const ordered = entries.filter(([op]) => !isReadOnly({ op }));
    const requests = sum(Object.entries(kernel.requests));
    console.log(`| ${feature ?? '–'} | ${requests} | ${sum(ordered)} | ${sum(reads)} | ${named(entries)} |`);
  } finally {
    fs.rmSync(home, { recursive: true, force: true });
  }
}
