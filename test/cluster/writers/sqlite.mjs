// One process at a database that others use too: node sqlite.mjs create|insert|die|check PATH ...
import Database from 'better-sqlite3';

const [what, path, ...args] = process.argv.slice(2);
const db = new Database(path, { timeout: 120_000 });

function create(journal) {
  const mode = db.pragma(`journal_mode = ${journal}`, { simple: true });
  if (mode !== journal) throw new Error(`the journal is ${mode}`);
  db.exec(
    'CREATE TABLE entry (writer TEXT, number INTEGER, previous INTEGER, filler BLOB, PRIMARY KEY (writer, number))',
  );
  db.exec('CREATE TABLE counter (value INTEGER); INSERT INTO counter VALUES (0)');
}

/** Each row is a transaction that also counts in a row all writers share: no update may be lost. */
function insert(writer, rows) {
  const put = db.prepare('INSERT INTO entry VALUES (?, ?, (SELECT value FROM counter), randomblob(?))');
  const count = db.prepare('UPDATE counter SET value = value + 1');
  for (let i = 0; i < rows; i++) {
    db.transaction(() => {
      put.run(writer, i, (i * 7919) % 3000);
      count.run();
    }).immediate();
  }
}

/** Inserts, and is killed in the middle of a transaction that has spilled into the database file. */
function die(writer, rows) {
  insert(writer, rows);
  db.pragma('cache_size = 5');
  db.exec('BEGIN IMMEDIATE');
  insertUncommitted(writer, rows);
  process.stdout.write('', () => process.kill(process.pid, 'SIGKILL'));
}

function insertUncommitted(writer, rows) {
  const put = db.prepare('INSERT INTO entry VALUES (?, ?, -1, randomblob(4000))');
  for (let i = rows; i < rows + 200; i++) put.run(writer, i);
}

function check(rows) {
  const integrity = db.pragma('integrity_check', { simple: true });
  const counts = db
    .prepare('SELECT writer, count(*) AS n, min(previous) AS low FROM entry GROUP BY writer ORDER BY writer')
    .all();
  const [one, three, two] = counts.map(({ n }) => n);
  const counter = db.prepare('SELECT value FROM counter').pluck().get();
  const distinct = db.prepare('SELECT count(DISTINCT previous) FROM entry').pluck().get();
  const found = { integrity, one, two, three, counter, distinct };
  const expected = {
    integrity: 'ok',
    one: rows,
    two: rows,
    three: rows / 4,
    counter: 2.25 * rows,
    distinct: 2.25 * rows,
  };
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
  }
}

if (what === 'create') create(args[0]);
else if (what === 'insert') insert(args[0], Number(args[1]));
else if (what === 'die') die(args[0], Number(args[1]));
else if (what === 'check') check(Number(args[0]));
