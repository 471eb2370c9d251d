/** One replica that lies to clients, for the timeline of `byzfs bench faults`: not for use on data of anyone. */
import { loadCluster } from '../../cluster/file.js';
import { loadReplicaIdentity } from '../../cluster/identity.js';
import { layoutOf } from '../../cluster/layout.js';
import { announce } from '../processes.js';
import { openLog } from '../rooms.js';
import { stopRequested } from '../signals.js';

/** Runs until it is asked to stop. */
export async function runLiar(directory: string, id: number): Promise<void> {
  const { altered } = await import('../../../bench/faults/lies.js');
  const { openFiles } = await import('../../../replica/open.js');
  const { ScrubTally } = await import('../../../replica/scrubber.js');
  const { ReplicaServer } = await import('../../../replica/server.js');
  type Replying = InstanceType<typeof ReplicaServer>['reply'];

  class Liar extends ReplicaServer {
    override reply(...[to, reply]: Parameters<Replying>): void {
      super.reply(to, reply.result === undefined ? reply : { ...reply, result: altered(reply.result) });
    }
  }

  const cluster = loadCluster(directory);
  const identity = loadReplicaIdentity(directory, cluster, id);
  const log = await openLog(`liar-${id}`);
  const options = { cluster, identity, directory: layoutOf(directory).replica(id), log };
  const requested = stopRequested();
  const liar = new Liar(options, await openFiles(options, new ScrubTally()));
  await liar.listen();
  await announce({ ready: true });
  const end = await Promise.race([requested, liar.failed]);
  if (end instanceof Error) throw end;
  await liar.stop();
}
