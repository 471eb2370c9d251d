// attackers.mjs DIR SECONDS ATTACK...: these attacks at once on the replicas of a cluster, in a process of their own, for so
// long, or with 0 until the standard input ends. Prints what they have met as a line of JSON, twice a second and at the end. DIR has the clients nonsense, deaf, many and fast.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { loadCluster } from '../../../dist/src/cluster/file.js';
import { deaf, fast, many, nonsense } from './clients.mjs';
import { noise, silent, slow } from './strangers.mjs';

const [directory, seconds, ...names] = process.argv.slice(2);
const ports = loadCluster(directory).replicas.map(({ port }) => port);
const ATTACKS = {
  ...{ noise: () => noise(ports), silent: () => silent(ports), slow: () => slow(ports) },
  ...{ nonsense: () => nonsense(directory), deaf: () => deaf(directory) },
  ...{ many: () => many(directory), fast: () => fast(directory) },
};

const attacks = names.map((name) => [name, ATTACKS[name]()]);
const met = () => Object.fromEntries(attacks.map(([name, { told }]) => [name, told]));
const tell = () => process.stdout.write(`${JSON.stringify(met())}\n`);
const telling = setInterval(tell, 500);
if (Number(seconds) > 0) await delay(Number(seconds) * 1000);
else await once(process.stdin.resume(), 'end');
clearInterval(telling);
tell();
for (const [, { stop }] of attacks) await stop();
process.exit(0);
