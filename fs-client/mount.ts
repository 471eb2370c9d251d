/** The life of one mount. */
import { writeFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { ServiceClient } from '../src/client/types.js';
import { type ProfileName, Profiles } from './cache/profile.js';
import type { CallFigures } from './call-figures.js';
import { CredentialsCache, type Squash } from './credentials.js';
import { type Feature, kernelFeatures, profileWithout } from './features.js';
import { type CallCounters, Files } from './files.js';
import { ReplicatedFileSystem } from './filesystem.js';
import { attachDevFuse, type DevFuseOptions } from './kernel/dev-fuse/attach.js';
import { attachFuseNative } from './kernel/fuse-native/attach.js';
import type { FileSystem, KernelCounters, KernelName } from './kernel/kernel.js';
import { canonicalMountpoint, mountedAt, prepareMountpoint } from './mountpoint.js';
import { DEFAULT_DEADLINE_MS, DEFAULT_KERNEL_FLAGS } from './options.js';
import { findSubtree } from './subtree.js';
import { synchronous } from './synchronous.js';

export interface MountOptions {
  /** Stays open: whoever opened it closes it, after `unmounted`. */
  service: ServiceClient;
  /** After so long without a quorum a call fails with EIO; Infinity makes the mount a hard one. Default: 30 s. */
  deadlineMs?: number;
  mountpoint: string;
  profile: ProfileName;
  /** Shown as the source in /proc/mounts and df(1). */
  name: string;
  readOnly?: boolean;
  /** Default: dev-fuse. */
  kernel?: KernelName;
  /** Users other than who mounts may use it, under their own rights. Default: true for root through dev-fuse. */
  allowOther?: boolean;
  /** How old attributes and absent names may be when they are answered; by default as the profile has it. */
  freshMs?: number;
  /** What to do without, to see what it is worth. */
  without?: ReadonlySet<Feature>;
  /** Every request is made as this user; the replicas alone check permissions then. */
  squash?: Squash;
  /** Names of the directories down to the one that is mounted. Default: none. */
  subtree?: readonly string[];
  /** Default: no. */
  synchronous?: 'no' | 'names' | 'all';
  /** Further options for mount(8). */
  kernelFlags?: readonly string[];
  /** How dev-fuse reads requests; by default what works best here. To compare them. */
  reader?: DevFuseOptions['reader'];
  /** What the kernel is to speak to instead of the file system. To measure it. */
  between?: (fs: FileSystem) => FileSystem;
  log: Logger;
}

export interface MountCounters {
  /** Calls of the service, by operation. */
  calls: CallCounters;
  /** Times that the session was lost, by itself or because the group of replicas rolled back. */
  sessionsLost: number;
  kernel: KernelCounters;
}

/** What its metrics are made of. */
export interface MountFigures extends MountCounters {
  service: CallFigures;
  /** Calls go unanswered. */
  isOut: boolean;
  unsentFiles: number;
}

export interface Mount {
  /** No more calls will come: the mount is gone, by whomever; with the reason. */
  readonly detached: Promise<string>;
  /** Files with changes that are not sent yet or, once all is done, could not be. */
  unsent(): number;
  /** The mount is gone, by whomever, and everything answered for has been executed or reported; with the reason. */
  readonly unmounted: Promise<string>;
  counters(): MountCounters;
  figures(): MountFigures;
  /**
   * Resolves when `unmounted` has.
   * @throws Error of one line, for instance that the mount is busy; it is then served as before
   */
  unmount(): Promise<void>;
}

/** Sequential readers are read ahead by this much: eight extents in flight hide the latency of a quorum. */
const READ_AHEAD_KIB = 1024;

/**
 * Mounts the replicated file system; resolves when it can be used.
 * @throws MountpointError, or Error of one line
 */
export async function mount(options: MountOptions): Promise<Mount> {
  const { service, name, deadlineMs = DEFAULT_DEADLINE_MS, readOnly = false, reader, log } = options;
  const { squash, subtree = [], synchronous: syncs = 'no', kernelFlags: flags = DEFAULT_KERNEL_FLAGS } = options;
  const { kernel: kernelName = 'dev-fuse' } = options;
  const { allowOther = kernelName === 'dev-fuse' && process.geteuid?.() === 0 } = options;
  const mountpoint = canonicalMountpoint(options.mountpoint);
  const { without = new Set<Feature>() } = options;
  const named = Profiles[options.profile];
  const profile = profileWithout({ ...named, freshMs: options.freshMs ?? named.freshMs }, without);
  await prepareMountpoint(mountpoint, (line) => log.warn(line), kernelName);
  const files = new Files(service, deadlineMs, log);
  const root = await findSubtree(files, new CredentialsCache(squash).own, subtree);
  const fs = new ReplicatedFileSystem(files, profile, log, { root, squash });
  service.onSessionLost?.(() => fs.sessionLost());
  const { between = (each) => each } = options;
  const served = between(syncs === 'no' ? fs : synchronous(fs, syncs === 'all'));
  const given = {
    ...{ mountpoint, name, readOnly, allowOther, flags, features: kernelFeatures(profile, without) },
    // The kernel goes by who calls, which is not whom the call is made as.
    kernelPermissions: squash === undefined,
  };
  const kernel = await (kernelName === 'dev-fuse'
    ? attachDevFuse(served, { ...given, reader }, log)
    : attachFuseNative(served, given, log));
  await setReadAhead(mountpoint, log);
  const counters = (): MountCounters => {
    const { sessionsLost } = files;
    return { calls: { ...files.counters }, sessionsLost, kernel: kernel.counters() };
  };
  const unmounted = kernel.ended.then(async (reason) => {
    await fs.end();
    return reason;
  });
  return {
    detached: kernel.ended,
    unsent: () => fs.unsent,
    unmounted,
    counters,
    figures: () => ({ ...counters(), service: files.figures, isOut: files.isOut, unsentFiles: fs.unsent }),
    unmount: async () => {
      await fs.quiesce();
      await kernel.unmount();
      await unmounted;
    },
  };
}

/** The kernel's own bound is 128 KiB whatever is negotiated at INIT. Found in its table: nothing touches the mount. */
async function setReadAhead(mountpoint: string, log: Logger): Promise<void> {
  const entry = mountedAt(mountpoint);
  if (entry === undefined) return;
  const path = `/sys/class/bdi/${entry.major}:${entry.minor}/read_ahead_kb`;
  await writeFile(path, `${READ_AHEAD_KIB}\n`).catch((error: NodeJS.ErrnoException) => {
    log.debug({ path, code: error.code }, 'read-ahead stays as it is');
  });
}
