/** What this machine offers. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { mountpointRoom } from './rooms.js';

export function findProgram(name: string): string | null {
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']) {
    if (directory === '') continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** Why nothing can be mounted here and what to do about it, as one line; null if it can. */
export async function mountObstacle(): Promise<string | null> {
  const room = await mountpointRoom();
  const obstacle = room.mountObstacle();
  if (obstacle !== null) return obstacle;
  return findProgram('mount') === null ? 'no mount(8): apt-get install mount' : null;
}
