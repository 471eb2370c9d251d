import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, shell, TestCluster } from './harness.js';

const repository = path.resolve(import.meta.dirname, '../..');

/** What people do in a directory, each beside the same work on local disk. */
describe('real work in a mounted directory', { timeout: 300_000 }, () => {
  const cluster = new TestCluster();
  let mnt: string;
  let local: string;

  beforeAll(async () => {
    expect(await cluster.up()).toMatch(/^ready/);
    mnt = cluster.mountpoint;
    local = path.join(cluster.scratch, 'local');
    fs.mkdirSync(local);
  }, 120_000);
  afterAll(() => cluster.destroy(), 60_000);

  const both = (script: string): Promise<string[]> =>
    Promise.all([shell(script, { cwd: mnt, timeoutMs: 240_000 }), shell(script, { cwd: local, timeoutMs: 240_000 })]);

  it('git: clone, fsck, status, commit', async () => {
    const script = `
      rm -rf origin clone
      git -c init.defaultBranch=main init -q origin
      cp -r ${repository}/src ${repository}/replica origin/
      cd origin
      git add -A
      git -c user.name=t -c user.email=t@example.org commit -q -m first --date='2001-02-03T04:05:06Z'
      cd ..
      git clone -q origin clone
      cd clone
      git fsck --strict
      test -z "$(git status --porcelain)"
      git -c gc.auto=0 repack -q -a -d
      git fsck --strict
      git rev-parse HEAD^{tree}
    `;
    const [mounted, plain] = await both(script);
    expect(mounted).toBe(plain);
    await shell(`diff -r --exclude=.git ${mnt}/clone ${local}/clone`);
  });

  it('make -j2 of a C program', async () => {
    const script = `
      mkdir -p c && cd c
      for i in $(seq 1 12); do echo "int f$i(int x) { return x % 1000 * $i + 1; }" > f$i.c; done
      { for i in $(seq 1 12); do echo "int f$i(int);"; done
        echo '#include <stdio.h>'
        echo 'int main(void) { int s = 0;'
        for i in $(seq 1 12); do echo "s += f$i(s + $i);"; done
        echo 'printf("%d\\n", s); return 0; }'; } > main.c
      printf 'OBJ = $(patsubst %%.c,%%.o,$(wildcard *.c))\\nprogram: $(OBJ)\\n\\tcc -o $@ $(OBJ)\\n' > Makefile
      make -s -j2
      ./program
      make -q
    `;
    const [mounted, plain] = await both(script);
    expect(mounted).toBe(plain);
    expect(Number(mounted)).toBeGreaterThan(0);
  });

  it('tar in and out: the same bytes, modes and times to the nanosecond', async () => {
    await shell(`cp -r ${repository}/src ${local}/tree; ln -s main.ts ${local}/tree/link; chmod 4750 ${local}/tree/cli/main.ts
      touch -d '1999-12-31 23:59:59.987654321' ${local}/tree/cli/up.ts`);
    await shell(`tar -C ${local} --format=posix -cf - tree | tar -C ${mnt} -xpf -`, { timeoutMs: 120_000 });
    const listing = `find tree -printf '%p %m %y %l %T@\\n' | sort; find tree -type f | sort | xargs sha256sum`;
    const [mounted, plain] = await both(listing);
    expect(mounted).toBe(plain);
    await shell(
      `tar -C ${mnt} --format=posix -cf - tree | tar -C ${local} --transform=s/^tree/back/ -xpf -; diff -r --no-dereference ${local}/tree ${local}/back`,
    );
  });

  it('a SQLite database: created, queried, checked', async () => {
    const script = `
      const Database = require('better-sqlite3');
      const db = new Database(process.argv[1]);
      db.exec('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)');
      const insert = db.prepare('INSERT INTO t (text) VALUES (?)');
      for (let round = 0; round < 5; round++) db.transaction(() => {
        for (let i = 0; i < 400; i++) insert.run('row ' + i + ' '.repeat(i % 50));
      })();
      db.exec('DELETE FROM t WHERE id % 7 = 0; VACUUM');
      const sum = db.prepare('SELECT count(*) AS n, sum(id) AS s FROM t').get();
      console.log(JSON.stringify(sum), db.pragma('integrity_check', { simple: true }));
      db.close();
    `;
    const expected = await must(process.execPath, ['-e', script, path.join(local, 'db')], { cwd: repository });
    const mounted = await must(process.execPath, ['-e', script, path.join(mnt, 'db')], { cwd: repository });
    expect(mounted).toBe(expected);
    expect(mounted).toContain('ok');
  });

  it('10,000 files in one directory: made, listed, removed', async () => {
    const count = 10_000;
    await shell(`mkdir many; cd many; seq 1 ${count} | xargs -n 250 -P 8 touch`, { cwd: mnt, timeoutMs: 240_000 });
    expect((await shell('ls -U many | sort -n | uniq | wc -l', { cwd: mnt })).trim()).toBe(String(count));
    expect((await shell(`stat -c %h many; ls -U many | sort -n | tail -1`, { cwd: mnt })).split('\n')[1]).toBe(
      String(count),
    );
    await shell('cd many; seq 1 5000 | xargs -n 250 -P 8 rm', { cwd: mnt, timeoutMs: 240_000 });
    await shell('rm -r many; test ! -e many', { cwd: mnt, timeoutMs: 240_000 });
  });

  it('all replicas hold the same state afterwards', async () => {
    const { replicas } = await cluster.status({ barrier: true });
    expect(new Set(replicas.map(({ stateRoot, stableCheckpoint }) => `${stableCheckpoint} ${stateRoot}`)).size).toBe(1);
  });
});
