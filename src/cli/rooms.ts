/**
 * The rooms behind the verbs, loaded only by the verb that needs them: `byzfs --help` must not load SQLite.
 */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { FileSystem } from '../../fs-client/kernel/kernel.js';
import type { MountFigures } from '../../fs-client/mount.js';
import type { PagesOptions } from '../../replica/pages.js';
import type { ReplicaServer } from '../../replica/server.js';
import type { ReplicaClient } from '../client/connect.js';
import type { Cluster, Identity } from '../cluster/types.js';
import type { HttpAddress } from '../http/address.js';
import { MOUNT_OUTLET, PROFILE_VARIABLE, replicaOutlet } from '../profiling/figures.js';

/** One line of pino JSON an event, on stderr: whoever started the process decides where that goes. */
export async function openLog(name: string): Promise<Logger> {
  const { pino } = await import('pino');
  return pino({ name, level: process.env.BYZFS_LOG ?? 'info' }, pino.destination({ dest: 2, sync: true }));
}

/** For verbs that talk to people: only what someone must act on. */
export async function openQuietLog(name: string): Promise<Logger> {
  const { pino } = await import('pino');
  return pino({ name, level: process.env.BYZFS_LOG ?? 'silent' }, pino.destination({ dest: 2, sync: true }));
}

export const replicaRoom = () => import('../../replica/start.js');

/** Serves a replica's pages for as long as this process runs. Rejects where it cannot listen there. */
export async function servePages(
  { log, ...options }: PagesOptions & { log: Logger },
  address: HttpAddress,
): Promise<void> {
  const { replicaPages } = await import('../../replica/pages.js');
  const { HttpServer } = await import('../http/server.js');
  await new HttpServer(replicaPages(options), log).listen(address);
}

/** Makes the initial state and journal of one replica. */
export async function createReplica(options: { cluster: Cluster; id: number; directory: string }): Promise<void> {
  const room = await import('../../replica/create.js');
  room.createReplica(options);
}

export async function connect(options: { cluster: Cluster; identity: Identity; log: Logger; deadlineMs: number }) {
  const room = await import('../client/connect.js');
  return room.connect(options);
}

export const stateSchema = () => import('../../replica/state/schema.js');

export const mountRoom = () => import('../../fs-client/mount.js');

interface MountMetricsOptions {
  cluster: Cluster;
  /** Name of the client. */
  client: string;
  service: ReplicaClient;
  take: () => MountFigures | undefined;
  log: Logger;
}

/** Serves a mount's metrics for as long as this process runs. Rejects where it cannot listen there. */
export async function serveMountMetrics(options: MountMetricsOptions, address: HttpAddress): Promise<void> {
  const { cluster, client, service, take, log } = options;
  const { mountMetrics } = await import('../../fs-client/metrics.js');
  const { metricsRoute } = await import('../metrics/route.js');
  const { HttpServer } = await import('../http/server.js');
  const metrics = metricsRoute(mountMetrics(cluster, client, service, take));
  await new HttpServer({ '/metrics': metrics }, log).listen(address);
}

/** Where `byzfs bench --profile` has processes measure themselves and offer their figures; undefined: they do not. */
const profileDirectory = (): string | undefined => process.env[PROFILE_VARIABLE];

/** Measures this process from now on as a replica, if it is to. @returns offers the figures, once there is a server */
export async function profileReplica(id: number): Promise<((server: () => ReplicaServer) => void) | undefined> {
  const directory = profileDirectory();
  if (directory === undefined) return undefined;
  const { ReplicaProfile } = await import('../../replica/profile.js');
  const { offerFigures } = await import('../profiling/outlet.js');
  const profile = new ReplicaProfile();
  return (server) => offerFigures(join(directory, replicaOutlet(id)), () => profile.figures(server()));
}

/** Measures this process from now on as a mount, if it is to. @returns offers the figures, and what is to be measured by it */
export async function profileMount() {
  const directory = profileDirectory();
  if (directory === undefined) return undefined;
  const { MountProfile } = await import('../../fs-client/profile.js');
  const { offerFigures } = await import('../profiling/outlet.js');
  const profile = new MountProfile();
  return (client: ReplicaClient) => {
    offerFigures(join(directory, MOUNT_OUTLET), () => profile.figures(client.net));
    return { service: profile.watched(client), between: (fs: FileSystem) => profile.between(fs) };
  };
}

export const mountOptionsRoom = () => import('../../fs-client/options.js');

export const mountpointRoom = () => import('../../fs-client/mountpoint.js');

export const mountObstacleRoom = () => import('../../fs-client/obstacle.js');

/** umount(8) and fusermount3(1). */
export const mountCommandRoom = () => import('../../fs-client/kernel/dev-fuse/mount-command.js');
