/** What this machine offers. */
import type { KernelName } from '../../fs-client/kernel/kernel.js';
import { mountObstacleRoom } from './rooms.js';

/** Why nothing can be mounted here in that way and what to do about it, as one line; null if it can. */
export async function mountObstacle(kernel: KernelName = 'dev-fuse'): Promise<string | null> {
  const room = await mountObstacleRoom();
  return room.mountObstacle(kernel);
}
