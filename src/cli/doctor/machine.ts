/** What this machine offers, whatever cluster it is for. */
import { readdirSync } from 'node:fs';
import { layoutOf } from '../../cluster/layout.js';
import { Limits } from '../../limits.js';
import { findProgram } from '../../programs.js';
import { mountObstacle } from '../host.js';
import { servingMount } from '../mount-records.js';
import { byzfsMounts, directoryOf } from '../mount-table.js';
import { descriptorLimit } from '../proc.js';
import { type Finding, failed, ok, warning } from './finding.js';

/** Links of a few clients' processes, strangers, journal and state; a mount has fewer. */
const DESCRIPTORS = 16 * Limits.sessionsPerClient;

export async function examineMachine(): Promise<Finding[]> {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const node = (major === 20 && minor >= 19) || (major > 20 && major < 25);
  const obstacle = await mountObstacle();
  const nativeObstacle = await mountObstacle('fuse-native');
  const compiler = findProgram('cc') !== null && findProgram('make') !== null;
  return [
    node ? ok(`Node ${process.versions.node}`) : failed(`Node ${process.versions.node}: 20.19 to 24 is needed`),
    obstacle === null ? ok(`can mount through /dev/fuse${asWhom()}`) : failed(`cannot mount: ${obstacle}`),
    nativeObstacle === null
      ? ok('can mount with -o kernel=fuse-native')
      : warning(`cannot mount with -o kernel=fuse-native: ${nativeObstacle}`),
    descriptors(),
    compiler
      ? ok('cc and make for byzfs bench andrew')
      : warning('no cc or no make: byzfs bench andrew needs both: apt-get install make gcc'),
  ];
}

const asWhom = (): string =>
  process.geteuid?.() === 0
    ? ''
    : ', for this user only (allow_other needs root, or user_allow_other in /etc/fuse.conf)';

function descriptors(): Finding {
  const limit = descriptorLimit();
  if (limit >= DESCRIPTORS) return ok(`${limit === Number.POSITIVE_INFINITY ? 'any number of' : limit} open files`);
  return warning(
    `${limit} open files are allowed, which many clients at once may use up: raise it to ${DESCRIPTORS} (ulimit -n, LimitNOFILE=)`,
  );
}

/** Mounts whose process is gone: every call in them fails until they are unmounted. */
export async function examineMounts(): Promise<Finding[]> {
  return (await byzfsMounts()).map((entry) => {
    const server = servingMount(directoryOf(entry), entry.mountpoint);
    if (server !== null) return ok(`${entry.mountpoint} is served by pid ${server.pid}`);
    if (isForeign(directoryOf(entry))) return ok(`${entry.mountpoint} is another user's`);
    return failed(`${entry.mountpoint} is mounted and its process is gone: byzfs umount ${entry.mountpoint}`);
  });
}

/** Whose records this user cannot read: what serves its mounts is not to be seen. */
function isForeign(cluster: string): boolean {
  try {
    readdirSync(layoutOf(cluster).run);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}
