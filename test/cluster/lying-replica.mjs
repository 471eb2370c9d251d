// A replica that takes part in agreement and alters the data it answers clients with. Arguments: DIR ID.
import path from 'node:path';
import { pino } from 'pino';
import { ReplicaServer } from '../../dist/replica/server.js';
import { loadCluster } from '../../dist/src/cluster/file.js';
import { loadReplicaIdentity } from '../../dist/src/cluster/identity.js';

const [directory, id] = [process.argv[2], Number(process.argv[3])];

class LyingReplica extends ReplicaServer {
  reply(to, reply) {
    if (reply.result !== undefined && reply.result.length > 0) {
      const altered = Buffer.from(reply.result);
      // The last bytes are the data of a READ, and the change counter of everything else.
      for (let i = Math.max(0, altered.length - 64); i < altered.length; i++) altered[i] ^= 0xff;
      super.reply(to, { ...reply, result: altered });
    } else {
      super.reply(to, reply);
    }
  }
}

const cluster = loadCluster(directory);
const server = new LyingReplica({
  cluster,
  identity: loadReplicaIdentity(directory, cluster, id),
  directory: path.join(directory, `replica-${id}`),
  log: pino({ level: 'warn' }),
});
await server.listen();
process.on('SIGTERM', () => server.stop().then(() => process.exit()));
