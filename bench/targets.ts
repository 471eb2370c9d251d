/** What benchmarks of file systems run on: clusters that they start and mount, local disk, directories given by name. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { type BenchCluster, startCluster } from './cluster.js';
import { BenchmarkError } from './errors.js';
import { Collector } from './profile/collect.js';
import type { Settings } from './report.js';

export interface Target {
  name: string;
  /** A directory on the file system under test. */
  path: string;
  settings: Settings;
  /** Of what its processes do in the runs that count. */
  collector?: Collector;
}

interface Mounted {
  name: string;
  /** Options of `byzfs init`. */
  init: readonly string[];
  settings: Settings & { replicas: number };
}

const DEFAULTS = { requestAuthentication: 'signature', cacheProfile: 'session' } as const;

const MOUNTED: readonly Mounted[] = [
  {
    name: 'byzfs',
    init: [],
    settings: {
      ...{ replicas: 4, durability: 'buffered', ...DEFAULTS },
      fsync:
        'close: executed by a quorum, in memory and handed to the OS; fsync: on stable storage of 2f+1 = 3 replicas',
    },
  },
  {
    name: 'byzfs-f0',
    init: [],
    settings: {
      ...{ replicas: 1, durability: 'buffered', ...DEFAULTS },
      fsync: 'close: executed by the only replica, handed to the OS; fsync: on its stable storage',
    },
  },
  {
    name: 'synced',
    init: ['--durability', 'synced'],
    settings: {
      ...{ replicas: 4, durability: 'synced', ...DEFAULTS },
      fsync: 'close: voted for on stable storage of a quorum; fsync: on stable storage of 2f+1 = 3 replicas',
    },
  },
];

const LOCAL: Settings = { fsync: 'close: in the page cache; fsync: on this disk' };

export const BUILT_IN_TARGETS: readonly string[] = [...MOUNTED.map(({ name }) => name), 'local'];

export interface TargetOptions {
  /** Command line of `byzfs`, for the clusters that are started here. */
  command: readonly string[];
  /** Which of `BUILT_IN_TARGETS` take part. */
  builtIn: readonly string[];
  /** Directories to measure besides, by name. */
  paths: readonly { name: string; path: string }[];
  /** Clusters that are started here measure where their time goes. */
  profile?: boolean;
  signal: AbortSignal;
}

/**
 * @param scratch where local disk is measured
 * @param clusters gets what was started, so that it can be stopped also if this fails half way
 */
export async function openTargets(
  { command, builtIn, paths, profile, signal }: TargetOptions,
  scratch: string,
  clusters: BenchCluster[],
): Promise<Target[]> {
  const given = paths.map(({ name, path }): Target => {
    if (!existsSync(path) || !statSync(path).isDirectory())
      throw new BenchmarkError(`target ${name}: ${path} is no directory`);
    return { name, path, settings: settingsOf(path, readFileSync('/proc/self/mounts', 'utf8')) };
  });
  const targets: Target[] = [];
  for (const name of builtIn) {
    signal.throwIfAborted();
    const mounted = MOUNTED.find((each) => each.name === name);
    if (mounted === undefined) {
      targets.push({ name, path: scratch, settings: LOCAL });
      continue;
    }
    const { init, settings } = mounted;
    const cluster = await startCluster({ command, replicas: settings.replicas, init, mount: true, profile });
    clusters.push(cluster);
    const { mountpoint, profiles } = cluster;
    const collector = profiles === undefined ? undefined : new Collector(profiles, settings.replicas);
    targets.push({ name, path: mountpoint!, settings, collector });
  }
  return [...targets, ...given];
}

/** What the kernel's table of mounts says of a directory. @param table as /proc/self/mounts, see proc_pid_mounts(5) */
export function settingsOf(path: string, table: string): Settings {
  const real = realpathSync(path);
  const mounts = table
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, mountpoint, type, options] = line.split(' ');
      return {
        mountpoint: mountpoint.replace(/\\(\d{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8))),
        type,
        options,
      };
    })
    .filter(({ mountpoint }) => mountpoint === '/' || real === mountpoint || real.startsWith(`${mountpoint}/`));
  // The last of the longest: what is mounted over it hides what was there.
  const longest = Math.max(0, ...mounts.map(({ mountpoint }) => mountpoint.length));
  const mount = mounts.findLast(({ mountpoint }) => mountpoint.length === longest);
  return {
    fsync: 'as that file system has it',
    ...(mount === undefined ? {} : { fileSystem: `${mount.type} (${mount.options})` }),
  };
}
