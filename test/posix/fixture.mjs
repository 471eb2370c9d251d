/**
 * Serves mounts for a test, from a process of its own: the service is a file state in this process, executed call by
 * call, and each mount has a session with it. Arguments: one JSON object
 * { mountpoints, directory, profile, options?, kernels?, reader?, readOnly?, allowOther?, rootUid?, delayMs?, shuffle?, capacityBytes?, timeLimitMs }.
 * Says `{"ready":true}` on stdout; then answers each line on stdin (`counters`, `statistics`, `fail N`, `lose`, `unmount`, all but `fail`
 * of the first mount) with one line. `mount` with a JSON object { mountpoint, options } adds one. `lose` tells the mount that its session is lost; what was undone by that is for the
 * second mount to do. The end of stdin means unmount. With `shuffle`, concurrent calls are executed in any order, as slots of a session are.
 */

import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { unmount as unmountLazily } from '../../dist/fs-client/kernel/dev-fuse/mount-command.js';
import { mount } from '../../dist/fs-client/mount.js';
import { parseMountOptions } from '../../dist/fs-client/options.js';
import { createFileState } from '../../dist/replica/state/index.js';
import { CallError } from '../../dist/src/client/types.js';

const options = JSON.parse(process.argv[2]);
const log = pino({ level: process.env.BYZFS_LOG ?? 'warn' }, pino.destination({ dest: 2, sync: true }));
const GIB = 1024 ** 3;

const cluster = {
  id: Buffer.alloc(32, 7),
  f: 0,
  replicas: [],
  clients: [0, 1, 2, 3].map((id) => ({ id, name: `c${id}`, publicKey: Buffer.alloc(32, id) })),
  capacityBytes: options.capacityBytes ?? GIB,
  capacityInodes: 100_000,
  rootUid: options.rootUid ?? 0,
  rootGid: 0,
  createdSeconds: 1_700_000_000,
  durability: 'buffered',
  requestAuthentication: 'signature',
  encryption: 'auto',
  ownerSignatures: 0,
};
const state = createFileState({ path: join(options.directory, 'state.db'), cluster, durability: 'buffered' });

/** Park-Miller: the same order of calls in every run. */
let seed = 42;
const random = () => {
  seed = (seed * 48_271) % 0x7fffffff;
  return seed / 0x7fffffff;
};

let failing = 0;

function execute(session, operation, readOnly) {
  if (readOnly) return state.service.query(operation, session);
  const sequence = state.lastExecuted + 1;
  const now = Date.now();
  const last = state.clock;
  let time = { seconds: Math.floor(now / 1000), nanoseconds: (now % 1000) * 1e6 };
  if (time.seconds < last.seconds || (time.seconds === last.seconds && time.nanoseconds <= last.nanoseconds)) {
    const carry = last.nanoseconds === 999_999_999;
    time = { seconds: last.seconds + (carry ? 1 : 0), nanoseconds: carry ? 0 : last.nanoseconds + 1 };
  }
  state.beginBatch(sequence);
  const { result } = state.service.execute(operation, { sequence, time, session });
  state.endBatch(time);
  state.commitBatch();
  return result;
}

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const serviceOf = (session, listeners) => ({
  onSessionLost: (listener) => listeners.push(listener),
  async call(operation, { readOnly = false } = {}) {
    if (options.shuffle) await later(random() * 3);
    else if (options.delayMs) await later(options.delayMs);
    if (!readOnly && failing > 0) {
      failing--;
      throw new CallError('deadline', 'no quorum within the time of this test');
    }
    return execute(session, operation, readOnly);
  },
  async close() {},
});

const mounts = [];
const listeners = [];
async function add(mountpoint, text = '') {
  const service = serviceOf({ client: 0, instance: mounts.length + 1 }, mounts.length === 0 ? listeners : []);
  const { profile, kernels = [], reader, readOnly, allowOther } = options;
  const parsed = parseMountOptions(`profile=${profile},${readOnly ? 'ro' : 'rw'},${text}`);
  const given = {
    ...parsed,
    kernel: kernels[mounts.length] ?? parsed.kernel,
    allowOther: allowOther ?? parsed.allowOther,
  };
  mounts.push(await mount({ service, mountpoint, ...given, reader, name: 'byzfs:test', log }));
}
for (const mountpoint of options.mountpoints) await add(mountpoint, options.options);
const [mounted] = mounts;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function leave(status) {
  for (const each of mounts) await each.unmount().catch(() => {});
  for (const mountpoint of options.mountpoints) await unmountLazily(mountpoint, 'lazily').catch(() => {});
  state.close();
  process.exit(status);
}
setTimeout(() => leave(3), options.timeLimitMs).unref();
mounted.unmounted.then((reason) => say({ unmounted: reason }));

const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const [command, argument] = line.split(' ');
  if (command === 'counters') say(mounted.counters());
  else if (command === 'statistics') say(state.statistics);
  else if (command === 'mount') {
    const { mountpoint, options: text } = JSON.parse(line.slice(command.length));
    options.mountpoints.push(mountpoint);
    const error = await add(mountpoint, text).then(
      () => null,
      (cause) => cause.message,
    );
    say({ error });
  } else if (command === 'fail') {
    failing = Number(argument);
    say({ failing });
  } else if (command === 'lose') {
    for (const listener of listeners) listener();
    say({ lost: true });
  } else if (command === 'unmount') {
    const error = await mounted.unmount().then(
      () => null,
      (cause) => cause.message,
    );
    say({ error });
    if (error === null) await leave(0);
  }
});
lines.on('close', () => leave(0));
say({ ready: true, pid: process.pid });
