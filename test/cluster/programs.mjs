// npm run soak:programs [-- NAME...]: programs that people run in a directory, run in a mounted one of a real cluster of
// four, each of which checks what it did. A line of figures for each; a program that is not installed is said to be
// missing, with the Debian package that has it, and counts as failed. Needs root.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { postgresql, sqliteRollback, sqliteRollbackAcross, sqliteWal } from './programs/databases.mjs';
import { dbench, directory, fio, git, mapped, npm, rsync } from './programs/files.mjs';
import { expect, run } from './programs/running.mjs';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const CLI = path.join(REPOSITORY, 'dist/src/cli/main.js');
/** Two runs at a time have different ones. */
const BASE_PORT = String(19_550 + (process.pid % 40) * 10);

/** What a program is given: two mounts of one cluster, of different clients, and a directory on local disk. */
class Place {
  constructor(scratch) {
    this.scratch = scratch;
    this.cluster = path.join(scratch, 'cluster');
    this.mounts = ['mnt', 'elsewhere'].map((name) => path.join(scratch, name));
    this.local = path.join(scratch, 'local');
  }

  get mount() {
    return this.mounts[0];
  }

  /** A fresh directory on the first mount. */
  directory(name) {
    const directory = path.join(this.mount, name);
    fs.mkdirSync(directory);
    return directory;
  }

  /** The same directory as the second mount has it. */
  elsewhere(directory) {
    return path.join(this.mounts[1], path.relative(this.mount, directory));
  }
}

const byzfs = (...args) => run(process.execPath, [CLI, ...args]);

/** By name: what is run, and what it needs: a command and the Debian package that has it. */
const PROGRAMS = {
  git: [git, { git: 'git' }],
  sqlite: [sqliteRollback, {}],
  'sqlite-wal': [sqliteWal, {}],
  'sqlite-two-mounts': [sqliteRollbackAcross, {}],
  postgresql: [postgresql, { pgbench: 'postgresql', setpriv: 'util-linux' }],
  rsync: [rsync, { rsync: 'rsync', setfattr: 'attr', setfacl: 'acl', python3: 'python3' }],
  mapped: [mapped, { python3: 'python3' }],
  fio: [fio, { fio: 'fio' }],
  dbench: [dbench, { dbench: 'dbench' }],
  directory: [directory, {}],
  npm: [npm, { npm: 'npm', git: 'git' }],
};

async function perform(place, name) {
  const [program, needs] = PROGRAMS[name];
  const missing = Object.entries(needs).filter(([command]) => spawnSync('which', [command]).status !== 0);
  if (missing.length > 0) throw new Error(`not installed: apt-get install ${missing.map(([, p]) => p).join(' ')}`);
  return program(place);
}

async function main(names) {
  for (const name of names)
    expect(name in PROGRAMS, `no program ${name}; there are ${Object.keys(PROGRAMS).join(', ')}`);
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-programs-'));
  fs.chmodSync(scratch, 0o755);
  const place = new Place(scratch);
  fs.mkdirSync(place.local);
  fs.chmodSync(place.local, 0o755);
  for (const mount of place.mounts) fs.mkdirSync(mount);
  let failed = 0;
  byzfs('init', place.cluster, '--base-port', BASE_PORT, '--client', 'mount', '--client', 'other');
  try {
    byzfs('up', '--detach', '--dir', place.cluster, '--mount', place.mount);
    byzfs('mount', place.cluster, place.mounts[1], '--client', 'other');
    for (const name of names) {
      const start = performance.now();
      const outcome = await perform(place, name).catch((error) => {
        failed++;
        return `FAILED: ${error.message}`;
      });
      console.log(`${name} (${Math.round((performance.now() - start) / 1000)} s): ${outcome}`);
    }
    const { replicas } = JSON.parse(byzfs('status', place.cluster, '--json', '--barrier'));
    const roots = new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`));
    expect(roots.size === 1, `the replicas' states differ: ${[...roots].join(', ')}`);
    console.log(`${names.length - failed} of ${names.length} programs work; the replicas have one state`);
  } finally {
    spawnSync(process.execPath, [CLI, 'umount', place.mounts[1]]);
    byzfs('down', '--dir', place.cluster);
    if (failed === 0) fs.rmSync(scratch, { recursive: true });
    else console.log(`all is left in ${scratch}`);
  }
  if (failed > 0) process.exitCode = 1;
}

const names = process.argv.slice(2);
await main(names.length > 0 ? names : Object.keys(PROGRAMS));
