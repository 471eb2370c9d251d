// no-descriptors.mjs DIR: the links of replica 0, in a process that has no descriptor left when it says "full", and has some
// again when it is told anything. Prints then how many connections
// it knows to have lost, and which part of the time it was busy.
import fs from 'node:fs';
import { loadCluster } from '../../../dist/src/cluster/file.js';
import { loadReplicaIdentity } from '../../../dist/src/cluster/identity.js';
import { ReplicaEndpoint } from '../../../dist/src/net/endpoint.js';

const directory = process.argv[2];
const cluster = loadCluster(directory);
const ignore = () => undefined;
const handler = { onUp: ignore, onMessage: ignore, onDown: ignore };
const endpoint = new ReplicaEndpoint({ cluster, identity: loadReplicaIdentity(directory, cluster, 0), handler });
await endpoint.start();
process.stdin.once('data', () => {
  for (const fd of taken) fs.closeSync(fd);
  const { user, system } = process.cpuUsage(cpuThen);
  const busy = (user + system) / 1000 / (performance.now() - then);
  const lost = endpoint.counters.refusedConnections['no-descriptor'] ?? 0;
  process.stdout.write(`${JSON.stringify({ lost, busy })}\n`);
});
const taken = [];
try {
  for (;;) taken.push(fs.openSync('/dev/null', 'r'));
} catch (error) {
  process.stdout.write(`full: ${error.code}\n`);
}
const then = performance.now();
const cpuThen = process.cpuUsage();
