/** `byzfs up`: a cluster and a mount of it on this machine, in one go. */
import { existsSync, mkdirSync } from 'node:fs';
import type { Command } from 'commander';
import { CLUSTER_SIZES, Defaults } from '../cluster/create.js';
import { loadCluster } from '../cluster/file.js';
import { loadClientIdentity, loadReplicaIdentity } from '../cluster/identity.js';
import { layoutOf } from '../cluster/layout.js';
import { DEFAULT_MOUNT_CLIENT } from '../cluster/registry.js';
import type { Cluster, ReplicaEntry } from '../cluster/types.js';
import { canonicalDirectory, DEFAULT_DIRECTORY, DEFAULT_MOUNTPOINT } from './directory.js';
import { takeDown } from './down.js';
import { CommandError, oneLine, report, UsageError } from './errors.js';
import { mountObstacle } from './host.js';
import { httpArguments } from './http.js';
import { initialise } from './init.js';
import { clientToAskAs } from './local-clients.js';
import { canListen, localReplicas } from './local-replicas.js';
import { checkOptions, mountDetached, requireOutside } from './mount.js';
import { servingMount } from './mount-records.js';
import { canonicalMountpoint, mountedAt, prepareMountpoint, sourceOf } from './mount-table.js';
import { asText, collect, integerIn, replicaCount } from './options.js';
import { describeTakenPort } from './proc.js';
import { announce, removePid, runningReplica, runningSupervisor, startDetached, stop, writePid } from './processes.js';
import { stopRequested } from './signals.js';
import { clusterStatusOf } from './status.js';
import { type Supervised, supervise } from './supervisor.js';

interface Given {
  dir: string;
  mount: string | false;
  replicas?: number;
  basePort?: number;
  o?: string[];
  http?: number;
  detach?: boolean;
}

interface UpOptions {
  directory: string;
  /** Null: replicas only. */
  mountpoint: string | null;
  replicas?: number;
  basePort?: number;
  mountOptions: string[];
  /** Where the first replica serves its status page; the others at the ports that follow. */
  http?: number;
}

/** How long the replicas may take to form a quorum once they listen. */
const QUORUM_MS = 20_000;

const EXAMPLES = `
Examples:
  byzfs up                                               ./.byzfs at ./mnt, until Ctrl-C
  byzfs up --dir DIR --mount MNT --detach                until byzfs down --dir DIR
  byzfs up --dir DIR --no-mount                          those replicas whose keys and addresses are this machine's
  byzfs up --replicas 7 --base-port 9000 -o hard         a new cluster that tolerates two faulty replicas
`;

export function register(program: Command): void {
  program
    .command('up')
    .description('make the cluster if it is new, run its replicas here, and mount it')
    .option('--dir <dir>', 'cluster directory', DEFAULT_DIRECTORY)
    .option('--mount <mountpoint>', 'where to mount, made if it does not exist', DEFAULT_MOUNTPOINT)
    .option('--no-mount', 'run the replicas only')
    .option(
      '--replicas <n>',
      `of a new cluster: ${CLUSTER_SIZES.join(', ')} (default ${Defaults.replicas})`,
      replicaCount,
    )
    .option('--base-port <port>', `of a new cluster (default ${Defaults.basePort})`, integerIn(1, 65_535))
    .option('-o <options>', 'mount options, separated by commas', collect(asText))
    .option('--http <port>', 'serve status pages and metrics at this and the following ports', integerIn(1, 65_525))
    .option('--detach', 'leave all running; byzfs down stops it')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Given) => {
      const directory = canonicalDirectory(given.dir);
      const mountpoint = given.mount === false ? null : await canonicalMountpoint(given.mount);
      await up({ directory, mountpoint, mountOptions: given.o ?? [], ...given }, given.detach ?? false);
    });
}

async function up(options: UpOptions, detach: boolean): Promise<void> {
  const { directory } = options;
  const supervisor = runningSupervisor(directory);
  if (supervisor !== null) {
    throw new CommandError(
      `${directory} is up already, under pid ${supervisor}: byzfs down --dir ${directory} stops it`,
    );
  }
  if (options.mountpoint !== null) await checkMountpoint(directory, options.mountpoint, options.mountOptions);
  const requested = stopRequested();
  const interrupted = requested.then((signal) => {
    throw new CommandError(`interrupted by ${signal}`);
  });
  interrupted.catch(() => undefined);

  const cluster = await openCluster(options);
  await openKeys(options, cluster);
  const started: number[] = [];
  let processes: Supervised[];
  try {
    processes = await Promise.race([startAll(options, cluster, started), interrupted]);
  } catch (error) {
    await Promise.all(started.map((pid) => stop(pid, 5000)));
    throw error;
  }
  process.stdout.write(`${readyLine(options, cluster, processes.length, detach)}\n`);
  if (detach) return;

  const layout = layoutOf(directory);
  writePid(layout.supervisorPid);
  await announce({ ready: true });
  const ending = new AbortController();
  const watches = processes.map((each) => supervise(each, ending.signal, report));
  await requested;
  ending.abort();
  try {
    await Promise.all(watches);
    for (const line of await takeDown(directory, cluster)) process.stdout.write(`${line}\n`);
  } finally {
    removePid(layout.supervisorPid);
  }
}

async function openCluster(options: UpOptions): Promise<Cluster> {
  const { directory, replicas, basePort } = options;
  if (!existsSync(layoutOf(directory).clusterFile)) {
    const first = basePort ?? Defaults.basePort;
    const count = replicas ?? Defaults.replicas;
    for (let port = first; port < first + count && port <= 65_535; port++) await requirePort(Defaults.host, port);
    return initialise(directory, { replicas, basePort });
  }
  const cluster = loadCluster(directory);
  const has = cluster.replicas;
  if (replicas !== undefined && replicas !== has.length) {
    throw new UsageError(`${directory} is a cluster of ${has.length}, not ${replicas}: --replicas is for a new one`);
  }
  if (basePort !== undefined && basePort !== has[0].port) {
    throw new UsageError(
      `${directory} has its ports from ${has[0].port}, not ${basePort}: --base-port is for a new one`,
    );
  }
  return cluster;
}

/** Keys that are wrong are refused before anything is started, and passphrases asked for where there is a terminal. */
async function openKeys({ directory, mountpoint }: UpOptions, cluster: Cluster): Promise<void> {
  for (const { id } of await localReplicas(directory, cluster)) loadReplicaIdentity(directory, cluster, id);
  const asking = clientToAskAs(directory, cluster);
  if (asking !== undefined) loadClientIdentity(directory, cluster, asking);
  if (mountpoint !== null) loadClientIdentity(directory, cluster, DEFAULT_MOUNT_CLIENT);
}

async function requirePort(host: string, port: number): Promise<void> {
  if (await canListen(host, port)) return;
  throw new CommandError(`${describeTakenPort(port)}: stop that, or give another --base-port`);
}

/** @param started gets the pids of what this call started, so that a failure can be undone */
async function startAll(options: UpOptions, cluster: Cluster, started: number[]): Promise<Supervised[]> {
  const { directory, mountpoint } = options;
  const local = await localReplicas(directory, cluster);
  const running = new Map(local.map(({ id }) => [id, runningReplica(directory, id)]));
  for (const { id, host, port } of local) if (running.get(id) === null) await requirePort(host, port);
  const spawned = (pid: number) => started.push(pid);
  const startReplica = ({ id }: ReplicaEntry): Promise<number> => {
    const http = options.http === undefined ? undefined : { host: '127.0.0.1', port: options.http + id };
    const args = ['replica', '--cluster', directory, '--id', String(id), ...httpArguments(http)];
    return startDetached(args, layoutOf(directory).replicaLog(id), spawned);
  };
  const starts = local.map(async (replica): Promise<Supervised> => {
    const pid = running.get(replica.id) ?? (await startReplica(replica));
    const restart = async () => runningReplica(directory, replica.id) ?? startReplica(replica);
    return { name: `replica-${replica.id}`, pid, restart };
  });
  const settled = await Promise.allSettled(starts);
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const processes = settled.map((result) => (result as PromiseFulfilledResult<Supervised>).value);
  // Where they are not a quorum, or nobody's key is here to ask by, whether there is one is for others to see.
  if (local.length > 2 * cluster.f && clientToAskAs(directory, cluster) !== undefined) await quorum(directory, cluster);
  if (mountpoint !== null) processes.push(await startMount(directory, mountpoint, options.mountOptions, spawned));
  return processes;
}

async function quorum(directory: string, cluster: Cluster): Promise<void> {
  const deadline = Date.now() + QUORUM_MS;
  let answering = 0;
  while (Date.now() < deadline) {
    const status = await clusterStatusOf(directory, cluster, false);
    if (status.quorum) return;
    answering = status.replicas.filter((replica) => replica.up).length;
  }
  const needed = 2 * cluster.f + 1;
  throw new CommandError(
    `no quorum within ${QUORUM_MS / 1000} s: ${answering} replicas answer, ${needed} in one view are needed: see ${layoutOf(directory).run}/*.log`,
  );
}

async function startMount(
  directory: string,
  mountpoint: string,
  options: readonly string[],
  spawned: (pid: number) => void,
): Promise<Supervised> {
  const mount = () => mountDetached({ directory, mountpoint, client: DEFAULT_MOUNT_CLIENT, options }, spawned);
  const restart = async (): Promise<number | null> => {
    if ((await mountedAt(mountpoint)) === undefined) return null;
    return (await serverOf(directory, mountpoint)) ?? mount();
  };
  const running = await serverOf(directory, mountpoint);
  if (running !== null) return { name: mountpoint, pid: running, restart };
  makeMountpoint(mountpoint);
  return { name: mountpoint, pid: await mount(), restart };
}

/** Pid of the process that serves this very cluster there already; null if a mount has to be made. */
async function serverOf(directory: string, mountpoint: string): Promise<number | null> {
  if ((await mountedAt(mountpoint))?.source !== sourceOf(directory)) return null;
  return servingMount(directory, mountpoint)?.pid ?? null;
}

/** Refuses before anything is made or started. A mount point that is not there yet is made when its turn comes. */
async function checkMountpoint(directory: string, mountpoint: string, options: readonly string[]): Promise<void> {
  const { kernel } = await checkOptions({ options });
  const obstacle = await mountObstacle(kernel);
  if (obstacle !== null) throw new CommandError(`${mountpoint} cannot be mounted: ${obstacle}`);
  if ((await serverOf(directory, mountpoint)) !== null) return;
  requireOutside(directory, mountpoint);
  // One that is mounted is not looked at from here: its server may be gone.
  if ((await mountedAt(mountpoint)) !== undefined || existsSync(mountpoint)) {
    await prepareMountpoint(mountpoint, kernel);
  }
}

function makeMountpoint(mountpoint: string): void {
  try {
    mkdirSync(mountpoint, { recursive: true });
  } catch (error) {
    throw new CommandError(`${mountpoint} cannot be made a mount point: ${oneLine(error)}`);
  }
}

function readyLine({ directory, mountpoint }: UpOptions, cluster: Cluster, running: number, detach: boolean): string {
  const { replicas, f } = cluster;
  const count = mountpoint === null ? running : running - 1;
  const here = count === replicas.length ? `${count} replicas` : `${count} of ${replicas.length} replicas here`;
  const ports = `${replicas[0].host}:${replicas[0].port}${replicas.length > 1 ? `-${replicas.at(-1)!.port}` : ''}`;
  const stopping = detach ? `byzfs down --dir ${directory}` : 'Ctrl-C';
  const what = mountpoint === null ? directory : `${mountpoint} (from ${directory})`;
  return `ready: ${what}, ${here} on ${ports}, ${f} may be faulty; stop with ${stopping}`;
}
