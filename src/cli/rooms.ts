/**
 * The rooms behind the verbs, loaded only by the verb that needs them: `byzfs --help` must not load SQLite.
 */
import type { Logger } from 'pino';
import type { Cluster, Identity } from '../cluster/types.js';

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

export const mountOptionsRoom = () => import('../../fs-client/options.js');

export const mountpointRoom = () => import('../../fs-client/mountpoint.js');

export const mountObstacleRoom = () => import('../../fs-client/obstacle.js');

/** umount(8) and fusermount3(1). */
export const mountCommandRoom = () => import('../../fs-client/kernel/dev-fuse/mount-command.js');
