/** What makes, moves, reads and checks files. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENT, expect, run, shell, together } from './running.mjs';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

const COMMITS = 1000;

export function git(place) {
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

export function npm(place) {
  const cwd = place.directory('npm');
  shell(`git -C ${REPOSITORY} archive HEAD | tar -x`, cwd);
  shell('npm ci --no-audit --no-fund && npm run build', cwd);
  const said = shell('npx vitest run test/unit --testTimeout=300000 2>&1', cwd, {
    env: { ...ENVIRONMENT, NO_COLOR: '1' },
  });
  return `npm ci, build; ${/Tests +(.*)/.exec(said)?.[1]}`;
}

/** Whether extended attributes can be set there. */
const hasXattrs = (directory) =>
  spawnSync('python3', ['-c', 'import os,sys; os.setxattr(sys.argv[1], "user.test", b"1")', directory]).status === 0;

export function rsync(place) {
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

export function fio(place) {
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

export function dbench(place) {
  const cwd = place.directory('dbench');
  const said = run('dbench', ['-D', cwd, '-t', '60', '-c', '/usr/share/dbench/client.txt', '4']);
  // The barrier at which its processes begin together is a semaphore of the kernel's, and none of the mount's business.
  const wrong = said.split('\n').filter((line) => /ERROR|failed(?! to create barrier semaphore)/.test(line));
  expect(wrong.length === 0, wrong.join('\n'));
  return /Throughput.*/.exec(said)[0];
}

/** Two processes write to shared mappings of one file: each its own halves of pages, so that none may undo the other's. */
export async function mapped(place) {
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
export async function directory(place) {
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
