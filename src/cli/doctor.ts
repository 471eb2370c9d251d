/** `byzfs doctor`: what would keep byzfs from working here, and what to do about it. */
import { existsSync, readdirSync, statfsSync } from 'node:fs';
import type { Command } from 'commander';
import { loadCluster } from '../cluster/file.js';
import { loadClientIdentity, loadReplicaIdentity } from '../cluster/identity.js';
import { layoutOf } from '../cluster/layout.js';
import type { Cluster } from '../cluster/types.js';
import { findProgram } from '../programs.js';
import { canonicalDirectory } from './directory.js';
import { CommandError, oneLine } from './errors.js';
import { mountObstacle } from './host.js';
import { canListen, localReplicas } from './local-replicas.js';
import { servingMount } from './mount-records.js';
import { byzfsMounts, directoryOf } from './mount-table.js';
import { describeTakenPort } from './proc.js';
import { runningReplica } from './processes.js';

interface Finding {
  verdict: 'ok' | 'warning' | 'failed';
  what: string;
}

const ok = (what: string): Finding => ({ verdict: 'ok', what });
const warning = (what: string): Finding => ({ verdict: 'warning', what });
const failed = (what: string): Finding => ({ verdict: 'failed', what });

/** Below this a replica that grows may soon stop: it stops itself when its disk is full. */
const SPARE_BYTES = 2 ** 30;

export function register(program: Command): void {
  program
    .command('doctor')
    .description('check this machine, and a cluster directory if one is given')
    .argument('[dir]', 'cluster directory')
    .option('--json', 'for machines')
    .action(async (dir: string | undefined, options: { json?: boolean }) => {
      const findings = [
        ...(await machine()),
        ...(await mounts()),
        ...(dir === undefined ? [] : await directory(canonicalDirectory(dir))),
      ];
      const text = findings.map(({ verdict, what }) => `${verdict.padEnd(8)}${what}\n`).join('');
      process.stdout.write(options.json ? `${JSON.stringify({ findings })}\n` : text);
      const count = findings.filter(({ verdict }) => verdict === 'failed').length;
      if (count > 0) throw new CommandError(`${count} of ${findings.length} checks failed: see above`);
    });
}

async function machine(): Promise<Finding[]> {
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
    compiler
      ? ok('cc and make for byzfs bench andrew')
      : warning('no cc or no make: byzfs bench andrew needs both: apt-get install make gcc'),
  ];
}

const asWhom = (): string =>
  process.geteuid?.() === 0
    ? ''
    : ', for this user only (allow_other needs root, or user_allow_other in /etc/fuse.conf)';

/** Mounts whose process is gone: every call in them fails until they are unmounted. */
async function mounts(): Promise<Finding[]> {
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

async function directory(path: string): Promise<Finding[]> {
  let cluster: Cluster;
  try {
    cluster = loadCluster(path);
  } catch (error) {
    return [failed(oneLine(error))];
  }
  const findings = [ok(`cluster.json: ${cluster.replicas.length} replicas, f = ${cluster.f}`), ...keys(path, cluster)];
  for (const { id, host, port } of await localReplicas(path, cluster)) {
    const pid = runningReplica(path, id);
    if (pid !== null) findings.push(ok(`replica-${id} runs (pid ${pid})`));
    else if (!existsSync(layoutOf(path).replica(id))) {
      findings.push(failed(`replica-${id} has no state: it never starts empty by itself`));
    } else if (await canListen(host, port))
      findings.push(warning(`replica-${id} does not run; ${host}:${port} is free`));
    else findings.push(failed(`replica-${id} does not run: ${describeTakenPort(port)}`));
  }
  const disk = statfsSync(path);
  const free = disk.bavail * disk.bsize;
  const shown = `${(free / 2 ** 30).toFixed(1)} GiB free for ${path}`;
  findings.push(free < SPARE_BYTES ? failed(`${shown}: replicas stop themselves when it is full`) : ok(shown));
  return findings;
}

/** Keys that are here must be right; that some are elsewhere is how it should be. */
function keys(path: string, cluster: Cluster): Finding[] {
  const layout = layoutOf(path);
  const check = (file: string, load: () => unknown): Finding[] => {
    if (!existsSync(file)) return [];
    try {
      load();
      return [ok(file.slice(path.length + 1))];
    } catch (error) {
      return [failed(oneLine(error))];
    }
  };
  return [
    ...cluster.replicas.flatMap(({ id }) => check(layout.replicaKey(id), () => loadReplicaIdentity(path, cluster, id))),
    ...cluster.clients.flatMap(({ name }) =>
      check(layout.clientKey(name), () => loadClientIdentity(path, cluster, name)),
    ),
  ];
}
