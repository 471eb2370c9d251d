import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EAGAIN, EINTR, type Locker, withLockers } from '../locker.js';
import { pause, shell } from './support.js';

type Behaviour = (dir: string) => Promise<void>;

/** Tells until it is so: a flock goes with its file's last close, for which close(2) need not wait. */
async function eventually(locker: Locker, command: string, result: string): Promise<void> {
  for (let attempt = 0; attempt < 100 && (await locker.tell(command)) !== result; attempt++) await pause(20);
  await locker.expect(command, result);
}

export const lockBehaviours: Record<string, Behaviour> = {
  'fcntl locks keep other processes out of their bytes': (dir) =>
    withLockers(2, async ([a, b]) => {
      for (const each of [a, b]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f write 10 10', 'ok');
      await b.expect('lock f write 15 100', EAGAIN);
      await b.expect('lock f read 0 11', EAGAIN);
      await b.expect('lock f write 20 0', 'ok');
      await b.expect('lock f write 0 10', 'ok');
      await a.expect('lock f read 100 1', EAGAIN);
      await b.expect('test f write 0 0', `write 10 10 ${a.pid}`);
      await a.expect('test f write 10 10', 'free');
    }),
  'readers share, and one that becomes a writer waits for the others': (dir) =>
    withLockers(2, async ([a, b]) => {
      for (const each of [a, b]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      for (const each of [a, b]) await each.expect('lock f read 0 0', 'ok');
      await a.expect('lock f write 0 0', EAGAIN);
      await b.expect('lock f unlock 0 0', 'ok');
      await a.expect('lock f write 0 0', 'ok');
      await b.expect('lock f read 0 0', EAGAIN);
    }),
  'ranges are cut, split and joined': (dir) =>
    withLockers(2, async ([a, b]) => {
      for (const each of [a, b]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f write 0 100', 'ok');
      await a.expect('lock f unlock 40 20', 'ok');
      await b.expect('test f write 0 0', `write 0 40 ${a.pid}`);
      await b.expect('test f write 40 0', `write 60 40 ${a.pid}`);
      await b.expect('lock f write 40 20', 'ok');
      await b.expect('lock f unlock 40 20', 'ok');
      await a.expect('lock f write 40 20', 'ok');
      await b.expect('test f write 0 0', `write 0 100 ${a.pid}`);
      await a.expect('lock f read 50 0', 'ok');
      await b.expect('test f write 60 0', `read 50 0 ${a.pid}`);
    }),
  'a wait for a lock ends when it is dropped': (dir) =>
    withLockers(2, async ([a, b]) => {
      for (const each of [a, b]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f write 0 0', 'ok');
      const waited = b.tell('wait f write 0 0');
      assert.equal(await Promise.race([waited, pause(300).then(() => 'waiting')]), 'waiting');
      await a.expect('lock f unlock 0 0', 'ok');
      assert.equal(await waited, 'ok');
      await a.expect('lock f write 0 0', EAGAIN);
    }),
  'a wait for a lock ends with a signal, and leaves nothing behind': (dir) =>
    withLockers(3, async ([a, b, c]) => {
      for (const each of [a, b, c]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f write 0 0', 'ok');
      await b.expect('alarm 1', 'ok');
      await b.expect('wait f write 0 0', EINTR);
      await a.expect('lock f unlock 0 0', 'ok');
      await c.expect('lock f write 0 0', 'ok');
    }),
  'a wait for a lock can be killed': (dir) =>
    withLockers(3, async ([a, b, c]) => {
      for (const each of [a, b, c]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f write 0 0', 'ok');
      void b.tell('wait f write 0 0');
      await pause(200);
      await b.end('SIGKILL');
      await a.expect('lock f unlock 0 0', 'ok');
      await eventually(c, 'lock f write 0 0', 'ok');
    }),
  'any close of the file drops all fcntl locks of the process': (dir) =>
    withLockers(2, async ([a, b]) => {
      await a.expect(`open f ${join(dir, 'f')}`, 'ok');
      await b.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f write 0 0', 'ok');
      await a.expect(`open g ${join(dir, 'f')}`, 'ok');
      await a.expect('close g', 'ok');
      await b.expect('lock f write 0 0', 'ok');
    }),
  'the locks of a process end with it': (dir) =>
    withLockers(2, async ([a, b]) => {
      for (const each of [a, b]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f write 0 0', 'ok');
      await a.expect('flock f write', 'ok');
      await b.expect('flock f write', EAGAIN);
      await a.end('SIGKILL');
      await eventually(b, 'lock f write 0 0', 'ok');
      await eventually(b, 'flock f write', 'ok');
    }),
  'a lock for reading takes a file opened for reading': (dir) =>
    withLockers(2, async ([a, b]) => {
      await writeFile(join(dir, 'f'), 'x');
      await a.expect(`open f ${join(dir, 'f')} r`, 'ok');
      await b.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('lock f read 0 0', 'ok');
      await b.expect('lock f write 0 0', EAGAIN);
      await a.expect('close f', 'ok');
      await eventually(b, 'lock f write 0 0', 'ok');
    }),
  'flock belongs to the open file, not to the process': (dir) =>
    withLockers(2, async ([a, b]) => {
      await a.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect(`open g ${join(dir, 'f')}`, 'ok');
      await b.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('flock f write', 'ok');
      await a.expect('flock g write', EAGAIN);
      await b.expect('flock f read', EAGAIN);
      await a.expect('close g', 'ok');
      await b.expect('flock f read', EAGAIN);
      await a.expect('flock f unlock', 'ok');
      await b.expect('flock f read', 'ok');
      await a.expect('flock f read', 'ok');
      await a.expect('flock f write', EAGAIN);
    }),
  'flock and fcntl locks do not see each other': (dir) =>
    withLockers(2, async ([a, b]) => {
      for (const each of [a, b]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      await a.expect('flock f write', 'ok');
      await b.expect('lock f write 0 0', 'ok');
    }),
  'a directory can be locked': async (dir) => {
    assert.equal(
      await shell('flock -n . true; exec 3< .; flock -n 3; flock -n . true || echo locked', dir),
      'locked\n',
    );
  },
  'what was written under a lock is read under the next': (dir) =>
    withLockers(2, async ([a, b]) => {
      for (const each of [a, b]) await each.expect(`open f ${join(dir, 'f')}`, 'ok');
      for (let round = 1; round <= 10; round++) {
        const [writer, reader] = round % 2 === 0 ? [a, b] : [b, a];
        await writer.expect('lock f write 0 0', 'ok');
        await writer.expect(`write f 0 round${String(round).padStart(4, '0')}`, 'ok');
        await writer.expect('lock f unlock 0 0', 'ok');
        await reader.expect('lock f read 0 0', 'ok');
        await reader.expect('read f 0 9', `round${String(round).padStart(4, '0')}`);
        await reader.expect('lock f unlock 0 0', 'ok');
      }
    }),
};
