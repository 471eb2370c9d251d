/** One replica of a custody register, in the foreground: node dist/replica/custody/main.js DIR ID. */
import { pino } from 'pino';
import { loadCluster } from '../../src/cluster/file.js';
import { loadReplicaIdentity } from '../../src/cluster/identity.js';
import { layoutOf } from '../../src/cluster/layout.js';
import { startReplica } from '../start.js';
import { CustodyRegister } from './register.js';

const [directory, id] = [process.argv[2], Number(process.argv[3])];
const cluster = loadCluster(directory);
const replica = await startReplica({
  cluster,
  identity: loadReplicaIdentity(directory, cluster, id),
  directory: layoutOf(directory).replica(id),
  log: pino({ name: `custody-${id}`, level: 'warn' }),
  service: ({ records }) => new CustodyRegister(records),
});
process.on('SIGTERM', () => replica.stop().then(() => process.exit()));
const failure = await replica.failed;
process.stderr.write(`custody-${id} stopped itself: ${failure.message}\n`);
process.exit(1);
