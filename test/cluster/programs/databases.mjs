/** SQLite and PostgreSQL. */
import fs from 'node:fs';
import path from 'node:path';
import { ENVIRONMENT, expect, run, shell, together } from './running.mjs';

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

export const sqliteRollback = (place) => sqlite(place, 'delete', 1);
export const sqliteRollbackAcross = (place) => sqlite(place, 'delete', 2);
export const sqliteWal = (place) => sqlite(place, 'wal', 1);

export function postgresql(place) {
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
