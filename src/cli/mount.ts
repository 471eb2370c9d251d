/** `byzfs mount`: one mount, served by a process of its own. */
import type { Command } from 'commander';
import type { Mount } from '../../fs-client/mount.js';
import { loadCluster } from '../cluster/file.js';
import { loadClientIdentity } from '../cluster/identity.js';
import { DEFAULT_MOUNT_CLIENT } from '../cluster/registry.js';
import { formatHttpAddress } from '../http/address.js';
import { canonicalDirectory } from './directory.js';
import { CommandError, oneLine, UsageError } from './errors.js';
import { mountObstacle } from './host.js';
import { mountLog, removeMountRecord, writeMountRecord } from './mount-records.js';
import { canonicalMountpoint, prepareMountpoint, sourceOf } from './mount-table.js';
import { startWatchdog } from './notify.js';
import { asText, clientName, collect } from './options.js';
import { announce, startDetached } from './processes.js';
import { connect, mountOptionsRoom, mountRoom, openLog, profileMount, serveMountMetrics } from './rooms.js';
import { onStopSignal } from './signals.js';

export interface MountRequest {
  /** Canonical. */
  directory: string;
  mountpoint: string;
  client: string;
  /** Values of -o, as given. */
  options: readonly string[];
  /** Unknown options are passed over. */
  sloppy?: boolean;
}

const EXAMPLES = `
Examples:
  byzfs mount DIR /mnt                                   returns when it can be used
  byzfs mount DIR /mnt -o hard,profile=strict            waits for a quorum; linearizable
  byzfs mount DIR /mnt --client laptop -o ro,subdir=/a   as another client, a part of it
`;

export function register(program: Command): void {
  program
    .command('mount')
    .description('mount a cluster; returns when it is usable')
    .argument('<dir>', 'cluster directory')
    .argument('<mountpoint>', 'an empty directory')
    .option(
      '-o <options>',
      'separated by commas: profile=strict|session, ro, soft, hard, deadline=SECONDS, metrics=HOST:PORT, uid=N,gid=N, subdir=PATH, kernel=…',
      collect(asText),
    )
    .option('--sloppy', 'pass over options that are unknown')
    .option('--client <name>', 'which registered client to be', clientName, DEFAULT_MOUNT_CLIENT)
    .option('--foreground', 'serve the mount from this process, logging to stderr')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, mountpoint: string, given: Given) => {
      const request: MountRequest = {
        directory: canonicalDirectory(dir),
        mountpoint: await canonicalMountpoint(mountpoint),
        client: given.client,
        options: given.o ?? [],
        sloppy: given.sloppy ?? false,
      };
      if (given.foreground) await serve(request);
      else await mountDetached(request);
    });
}

interface Given {
  o?: string[];
  sloppy?: boolean;
  client: string;
  foreground?: boolean;
}

/** @throws UsageError */
export async function checkOptions({ options, sloppy }: Pick<MountRequest, 'options' | 'sloppy'>) {
  const { parseMountOptions, MountOptionError } = await mountOptionsRoom();
  try {
    return parseMountOptions(options.join(','), sloppy);
  } catch (error) {
    throw error instanceof MountOptionError ? new UsageError(oneLine(error)) : error;
  }
}

/** What can be told without asking the cluster. @throws CommandError, UsageError, ClusterError, MountpointError */
async function prepared(request: MountRequest) {
  const { directory, mountpoint, client } = request;
  const parsed = await checkOptions(request);
  const obstacle = await mountObstacle(parsed.kernel);
  if (obstacle !== null) throw new CommandError(`${mountpoint} cannot be mounted: ${obstacle}`);
  const cluster = loadCluster(directory);
  const identity = loadClientIdentity(directory, cluster, client);
  requireOutside(directory, mountpoint);
  await prepareMountpoint(mountpoint, parsed.kernel);
  return { cluster, identity, parsed };
}

/**
 * A mount in the cluster directory would hide part of it, and a copy of the directory would run into it.
 * @param directory canonical, as the mount point
 * @throws CommandError
 */
export function requireOutside(directory: string, mountpoint: string): void {
  if (mountpoint === directory || mountpoint.startsWith(`${directory}/`)) {
    throw new CommandError(`${mountpoint} is in the cluster directory ${directory}: give a directory outside it`);
  }
}

/**
 * Mounts from a process of its own that outlives this one.
 * @param spawned told the pid of that process as soon as there is one
 * @returns its pid
 * @throws CommandError, UsageError, ClusterError, MountpointError
 */
export async function mountDetached(request: MountRequest, spawned?: (pid: number) => void): Promise<number> {
  await prepared(request);
  const args = ['mount', request.directory, request.mountpoint, '--foreground', '--client', request.client];
  for (const text of request.options) args.push('-o', text);
  if (request.sloppy) args.push('--sloppy');
  return startDetached(args, mountLog(request.directory, request.mountpoint), spawned);
}

/** Serves the mount until it is unmounted, by whomever. */
async function serve(request: MountRequest): Promise<void> {
  const { cluster, identity, parsed } = await prepared(request);
  const { directory, mountpoint, client } = request;
  const { mount } = await mountRoom();
  const log = await openLog(`mount ${mountpoint}`);
  const profile = await profileMount();
  const service = await connect({ cluster, identity, log, deadlineMs: parsed.deadlineMs });
  try {
    if (service.isRevoked)
      throw new CommandError(`client ${client} was revoked: ask whoever runs the cluster for another`);
    const measured = profile?.(service);
    // They are there before the mount is.
    let shown: Mount | undefined;
    if (parsed.metrics !== undefined) {
      const take = () => shown?.figures();
      await serveMountMetrics({ cluster, client, service, take, log }, parsed.metrics).catch((error) => {
        throw new CommandError(`metrics cannot be served at ${formatHttpAddress(parsed.metrics!)}: ${oneLine(error)}`);
      });
    }
    const mounted = await mount({ service, mountpoint, name: sourceOf(directory), ...parsed, log, ...measured });
    shown = mounted;
    writeMountRecord(directory, { mountpoint, client });
    onStopSignal((signal) => {
      log.info({ signal }, 'unmounting');
      // While somebody uses the mount it cannot be unmounted, and is served as before: the next signal tries again.
      mounted.unmount().catch((error) => log.warn({ reason: oneLine(error) }, 'not unmounted'));
    });
    void mounted.detached.then((reason) => {
      const unsent = mounted.unsent();
      log.info({ reason, unsent }, 'detached');
      // For whoever ends this process before all is sent.
      writeMountRecord(directory, { mountpoint, client, unsent });
    });
    await announce({ ready: true });
    startWatchdog();
    const reason = await mounted.unmounted;
    log.info({ reason, ...mounted.counters() }, 'unmounted');
    const unsent = mounted.unsent();
    if (unsent > 0) {
      log.error({ files: unsent }, 'changes that nobody could be told of any more were not sent, and are lost');
      writeMountRecord(directory, { mountpoint, client, unsent });
    } else {
      removeMountRecord(directory, mountpoint);
    }
  } finally {
    await service.close();
  }
}
