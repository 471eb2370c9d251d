/** What this machine offers. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

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
export function mountObstacle(): string | null {
  if (!existsSync('/dev/fuse')) {
    return 'no /dev/fuse: load the kernel module (modprobe fuse), or give the container --device /dev/fuse --cap-add SYS_ADMIN';
  }
  if (process.geteuid?.() !== 0) return 'not root, which mounting through /dev/fuse needs: sudo';
  if (findProgram('mount') === null) return 'no mount(8): apt-get install mount';
  return null;
}
