// npm run soak:programs [-- NAME...]: programs that people run in a directory, run in a mounted one of a real cluster of
// four, each of which checks what it did. A line of figures for each; a program that is not installed is said to be
// missing, with the Debian package that has it, and counts as failed. Needs root.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const CLI = path.join(REPOSITORY, 'dist/src/cli/main.js');
const WRITERS = fileURLToPath(new URL('writers/', import.meta.url));
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

/** A shell that is no terminal reads no start-up file. */
const { BASH_ENV: _, ...ENVIRONMENT } = process.env;

/** Runs a program to its end. @throws Error with what it said, if that was not success */
function run(command, args, options = {}) {
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: ENVIRONMENT,
    timeout: 1_800_000,
    maxBuffer: 2 ** 28,
    ...options,
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ended with ${status ?? signal}: ${`${stdout}${stderr}`.trim().slice(-2000)}`);
}

const shell = (script, cwd, options = {}) => run('bash', ['-euo', 'pipefail', '-c', script], { cwd, ...options });

const byzfs = (...args) => run(process.execPath, [CLI, ...args]);

/** Starts `program` of writers/ once with each of `argumentLists`; their outputs, once all have ended well. */
function together(program, argumentLists) {
  const [command, file] = program.endsWith('.py') ? ['python3', program] : [process.execPath, program];
  const runs = argumentLists.map(
    (args) =>
      new Promise((resolve, reject) => {
        const child = spawn(command, [path.join(WRITERS, file), ...args.map(String)]);
        let said = '';
        child.stdout.on('data', (text) => {
          said += text;
        });
        child.stderr.on('data', (text) => {
          said += text;
        });
        const killed = args[0] === 'die' ? 'SIGKILL' : null;
        child.on('exit', (code, signal) => {
          if (signal === killed && !code) resolve(said.trim());
          else reject(new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}: ${said}`));
        });
      }),
  );
  return Promise.all(runs);
}

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

const COMMITS = 1000;

function git(place) {
  const cwd = place.directory('git');
  shell(
    `git init -q -b main origin; cd origin
     git config user.name writer; git config user.email writer@example.org; git config gc.auto 0
     mkdir -p a/b c
     for i in $(seq 1 ${COMMITS}); do
       echo "line $i" >> a/b/log; echo $i > c/file-$((i % 50)); git add -A; git commit -q -m "commit $i"
     done
     git fsck --strict --no-progress
     cd ..; git clone -q --no-local origin clone; cd clone
     git config user.name reader; git config user.email reader@example.org
     test $(git rev-list --count HEAD) = ${COMMITS}
     for i in 1 2 3; do echo $i >> a/b/log; git commit -q -a -m "more $i"; done
     git repack -q -a -d -f
     git bisect start HEAD HEAD~${COMMITS} >/dev/null
     git bisect run sh -c '! grep -q "^line 777$" a/b/log' > ../bisected
     grep -q "is the first bad commit" ../bisected
     test "$(git show -s --format=%s refs/bisect/bad)" = "commit 777"
     git bisect reset
     git push -q origin HEAD:refs/heads/back
     test -z "$(git status --porcelain)"
     git fsck --strict --no-progress; git -C ../origin fsck --strict --no-progress`,
    cwd,
  );
  shell('git -c safe.directory="*" fsck --strict --no-progress', place.elsewhere(path.join(cwd, 'clone')));
  return `${COMMITS} commits, cloned, repacked, bisected, pushed; fsck clean, on the other mount too`;
}

function npm(place) {
  const cwd = place.directory('npm');
  shell(`git -C ${REPOSITORY} archive HEAD | tar -x`, cwd);
  shell('npm ci --no-audit --no-fund && npm run build', cwd);
  const said = shell('npx vitest run test/unit 2>&1', cwd, { env: { ...ENVIRONMENT, NO_COLOR: '1' } });
  return `npm ci, build; ${/Tests +(.*)/.exec(said)?.[1]}`;
}

const ROWS = 400;

/** Two processes insert into one database, each row a transaction; a third is killed meanwhile. */
async function sqlite(place, journal, mounts) {
  const directory = place.directory(`sqlite-${journal}-${mounts}`);
  const paths = [directory, mounts === 2 ? place.elsewhere(directory) : directory].map((d) => path.join(d, 'db'));
  await together('sqlite.mjs', [['create', paths[0], journal]]);
  await together('sqlite.mjs', [
    ['insert', paths[0], 'one', ROWS],
    ['insert', paths[1], 'two', ROWS],
    ['die', paths[1], 'three', ROWS / 4],
  ]);
  for (const file of paths) await together('sqlite.mjs', [['check', file, ROWS]]);
  return `${2 * ROWS} rows of two processes, a third killed in a transaction; integrity ok`;
}

const sqliteRollback = (place) => sqlite(place, 'delete', 1);
const sqliteRollbackAcross = (place) => sqlite(place, 'delete', 2);
const sqliteWal = (place) => sqlite(place, 'wal', 1);

function postgresql(place) {
  const versions = '/usr/lib/postgresql';
  const [version] = fs.readdirSync(versions).sort((a, b) => Number(b) - Number(a));
  const bin = path.join(versions, version, 'bin');
  const cwd = place.directory('postgresql');
  const sockets = fs.mkdtempSync(path.join(place.local, 'sockets-'));
  shell(`chown postgres ${cwd} ${sockets}; chmod 755 ${sockets}`, cwd);
  const as = (script) =>
    run(
      'setpriv',
      ['--reuid=postgres', '--regid=postgres', '--init-groups', 'bash', '-euo', 'pipefail', '-c', script],
      { cwd, env: { ...ENVIRONMENT, PATH: `${bin}:${process.env.PATH}`, PGHOST: sockets, HOME: sockets } },
    );
  as(`initdb -D data -k --no-instructions > ${sockets}/initdb.log`);
  const options = `-c listen_addresses= -c unix_socket_directories=${sockets}`;
  const start = () => as(`pg_ctl -D data -w -t 300 -l ${sockets}/log -o "${options}" start > /dev/null`);
  start();
  let said;
  try {
    as('createdb bench; pgbench -q -i -s 5 bench 2>/dev/null');
    said = as('pgbench -c 4 -j 2 -T 60 bench 2>/dev/null');
    const transactions = /transactions actually processed: (\d+)/.exec(said)[1];
    // Without a checkpoint: the log is replayed at the start.
    as('pg_ctl -D data -w -m immediate stop > /dev/null');
    start();
    const query =
      'SELECT (SELECT count(*) FROM pgbench_history), (SELECT sum(delta) FROM pgbench_history) = ALL (ARRAY[(SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(tbalance) FROM pgbench_tellers)])';
    const found = as(`psql -At -c '${query}' bench`).trim();
    expect(found === `${transactions}|t`, `after a crash ${found} instead of ${transactions}|t`);
  } finally {
    as('pg_ctl -D data -w stop -m fast > /dev/null');
  }
  as('pg_checksums -c -D data > /dev/null');
  return `${/number of transactions actually processed: .*/.exec(said)[0]}, ${/tps = [\d.]+/.exec(said)[0]}; all there after an immediate stop`;
}

/** Whether extended attributes can be set there. */
const hasXattrs = (directory) =>
  spawnSync('python3', ['-c', 'import os,sys; os.setxattr(sys.argv[1], "user.test", b"1")', directory]).status === 0;

function rsync(place) {
  const to = place.directory('rsync');
  const from = path.join(place.local, 'tree');
  shell(
    `mkdir ${from}; cp -a ${REPOSITORY}/node_modules/typescript ${REPOSITORY}/node_modules/pino ${REPOSITORY}/src ${from}; cd ${from}
     for i in $(seq 1 200); do ln $(printf 'src/limits.ts hard-%d' $i); ln -s src/limits.ts soft-$i; done
     mkfifo fifo; mkdir -p deep/$(seq -s/ 1 60) sticky; chmod 3775 sticky; chmod 4750 hard-1; touch -d '1999-12-31 23:59:59.987654321' hard-1
     head -c 300000 /dev/urandom > random; truncate -s 20M holes; printf x > "$(printf 'name\\377\\n')"
     chown -h 1234:4321 soft-1 random`,
    place.local,
  );
  const flags = hasXattrs(to) ? '-aHAX' : '-aH';
  if (flags === '-aHAX') shell('setfattr -n user.colour -v blue random; setfacl -m u:1234:rw random', from);
  shell(`rsync ${flags} ${from}/ ${to}/`, place.local);
  const second = shell(`rsync ${flags} -i --checksum ${from}/ ${to}/`, place.local);
  expect(second === '', `the second run transfers ${second}`);
  const there = shell(`rsync ${flags} -n -i --checksum ${from}/ ${place.elsewhere(to)}/`, place.local);
  expect(there === '', `the other mount has not ${there}`);
  return `${flags}: ${shell(`find ${from} | wc -l`, place.local).trim()} files, the second run transfers nothing`;
}

function fio(place) {
  const figures = [];
  for (const [engine, direct] of [
    ['psync', 0],
    ['libaio', 1],
    ['mmap', 0],
  ]) {
    const cwd = place.directory(`fio-${engine}`);
    const said = run(
      'fio',
      [
        '--name=verified',
        `--ioengine=${engine}`,
        `--direct=${direct}`,
        '--rw=randrw',
        '--bsrange=4k-64k',
        '--size=64m',
        '--iodepth=8',
        '--numjobs=2',
        '--verify=crc32c',
        '--verify_fatal=1',
        '--do_verify=1',
        '--fsync=200',
        '--output-format=json',
      ],
      { cwd },
    );
    const { jobs } = JSON.parse(said.slice(said.indexOf('{')));
    const rate = (side) => Math.round(jobs.reduce((sum, job) => sum + job[side].bw, 0));
    expect(
      jobs.every(({ error }) => error === 0),
      `${engine}: an error`,
    );
    figures.push(`${engine} ${rate('read')} KiB/s read, ${rate('write')} written`);
  }
  return `randrw, crc32c verified: ${figures.join('; ')}`;
}

function dbench(place) {
  const cwd = place.directory('dbench');
  const said = run('dbench', ['-D', cwd, '-t', '60', '-c', '/usr/share/dbench/client.txt', '4']);
  const wrong = said.split('\n').find((line) => /ERROR|failed in client/.test(line));
  expect(wrong === undefined, wrong);
  return /Throughput.*/.exec(said)[0];
}

/** Two processes write to shared mappings of one file: each its own halves of pages, so that none may undo the other's. */
async function mapped(place) {
  const file = path.join(place.directory('mapped'), 'file');
  const pages = 2048;
  fs.writeFileSync(file, Buffer.alloc(pages * 4096));
  await together('mapped.py', [
    [file, 0, pages],
    [file, 1, pages],
  ]);
  for (const name of [file, place.elsewhere(file)]) await together('mapped.py', [[name, 'check', pages]]);
  return `${2 * pages} halves of pages by two processes, read back on both mounts`;
}

const ENTRIES = 100_000;

/** A directory of so many entries is listed whole while others come and go: those that stay are listed once. */
async function directory(place) {
  const cwd = place.directory('directory');
  const seconds = async (work) => {
    const start = performance.now();
    await work();
    return Math.round((performance.now() - start) / 1000);
  };
  const made = await seconds(() =>
    together(
      'entries.mjs',
      range(4).map((part) => ['make', cwd, part, 4, ENTRIES]),
    ),
  );
  const listed = await seconds(() =>
    together('entries.mjs', [
      ['list', cwd, ENTRIES],
      ['list', place.elsewhere(cwd), ENTRIES],
      ['disturb', cwd, 3000],
    ]),
  );
  const removed = await seconds(() => shell(`rm -rf ${cwd}`, place.mount));
  return `${ENTRIES} entries made in ${made} s, listed on two mounts while others came and went in ${listed} s, removed in ${removed} s`;
}

const range = (count) => [...Array(count).keys()];

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
