/** The life of one mount. */
import { writeFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { ServiceClient } from '../src/client/types.js';
import { type ProfileName, Profiles } from './cache/profile.js';
import { type Feature, kernelFeatures, profileWithout } from './features.js';
import { type CallCounters, Files } from './files.js';
import { ReplicatedFileSystem } from './filesystem.js';
import { attachDevFuse, type DevFuseOptions } from './kernel/dev-fuse/attach.js';
import { attachFuseNative } from './kernel/fuse-native/attach.js';
import type { KernelCounters, KernelName } from './kernel/kernel.js';
import { canonicalMountpoint, mountedAt, prepareMountpoint } from './mountpoint.js';
import { DEFAULT_DEADLINE_MS } from './options.js';

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
  /** How dev-fuse reads requests; by default what works best here. To compare them. */
  reader?: DevFuseOptions['reader'];
  log: Logger;
}

export interface MountCounters {
  /** Calls of the service, by operation. */
  calls: CallCounters;
  /** Times that the session was lost, by itself or because the group of replicas rolled back. */
  sessionsLost: number;
  kernel: KernelCounters;
}

export interface Mount {
  /** The mount is gone, by whomever, and everything answered for has been executed or reported; with the reason. */
  readonly unmounted: Promise<string>;
  counters(): MountCounters;
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
  const {
    service,
    name,
    deadlineMs = DEFAULT_DEADLINE_MS,
    readOnly = false,
    kernel: kernelName = 'dev-fuse',
  } = options;
  const { allowOther = kernelName === 'dev-fuse' && process.geteuid?.() === 0, reader, log } = options;
  const mountpoint = canonicalMountpoint(options.mountpoint);
  const { without = new Set<Feature>() } = options;
  const named = Profiles[options.profile];
  const profile = profileWithout({ ...named, freshMs: options.freshMs ?? named.freshMs }, without);
  await prepareMountpoint(mountpoint, (line) => log.warn(line), kernelName);
  const files = new Files(service, deadlineMs, log);
  const fs = new ReplicatedFileSystem(files, profile, log);
  service.onSessionLost?.(() => fs.sessionLost());
  const given = { mountpoint, name, readOnly, allowOther, features: kernelFeatures(profile, without) };
  const kernel = await (kernelName === 'dev-fuse'
    ? attachDevFuse(fs, { ...given, reader }, log)
    : attachFuseNative(fs, given, log));
  await setReadAhead(mountpoint, log);
  const unmounted = kernel.ended.then(async (reason) => {
    await fs.quiesce();
    return reason;
  });
  return {
    unmounted,
    counters: () => ({ calls: { ...files.counters }, sessionsLost: files.sessionsLost, kernel: kernel.counters() }),
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
