/** The `-o` options of a mount. */
import { HTTP_ADDRESS_EXPECTED, type HttpAddress, parseHttpAddress } from '../src/http/address.js';
import { type ProfileName, Profiles } from './cache/profile.js';
import type { Squash } from './credentials.js';
import { FEATURES, type Feature } from './features.js';
import type { KernelName } from './kernel/kernel.js';

export interface ParsedMountOptions {
  profile: ProfileName;
  kernel: KernelName;
  readOnly: boolean;
  /** Undefined: as goes with who mounts and how. */
  allowOther: boolean | undefined;
  /** How long a call may wait for a quorum before it fails with EIO; Infinity with `hard`. */
  deadlineMs: number;
  /** How old attributes and absent names may be when they are answered; undefined: as the profile has it. */
  freshMs: number | undefined;
  /** What to do without, to see what it is worth. */
  without: ReadonlySet<Feature>;
  /** Every request is made as this user; undefined: as whoever calls. */
  squash: Squash | undefined;
  /** Names of the directories down to the one that is mounted, latin1, a character a byte; none: all is mounted. */
  subtree: readonly string[];
  /** Where metrics are served; undefined: nowhere. */
  metrics: HttpAddress | undefined;
  /** Changes are on stable storage before they are answered: of names (`dirsync`), of everything (`sync`). */
  synchronous: 'no' | 'names' | 'all';
  /** For the kernel, as mount(8) takes them. */
  kernelFlags: readonly string[];
}

/** One line: which option, and what it may be. */
export class MountOptionError extends Error {
  override name = 'MountOptionError';
}

/** Longer than a few view changes in a row take (0.8 s, doubling), shorter than people wait. */
const DEFAULT_DEADLINE_SECONDS = 30;
export const DEFAULT_DEADLINE_MS = DEFAULT_DEADLINE_SECONDS * 1000;
const LONGEST_SECONDS = 86_400;

/** The highest is no id: to chown(2) it means "leave as it is". */
const HIGHEST_ID = 2 ** 32 - 2;

const KNOWN =
  'profile=strict|session, kernel=dev-fuse|fuse-native, ro, rw, soft, hard, deadline=SECONDS, actimeo=SECONDS, ' +
  'allow_other, no_allow_other, uid=N with gid=N, subdir=PATH, sync, async, dirsync, [no]suid, [no]dev, [no]exec, ' +
  'noatime, relatime, metrics=HOST:PORT, without=FEATURE[:FEATURE]...';

/** Without these a file on another's mount could make its user root here: whoever wants that says so. */
const SAFE_FLAGS = { suid: 'nosuid', dev: 'nodev' };
export const DEFAULT_KERNEL_FLAGS: readonly string[] = Object.values(SAFE_FLAGS);

/** What the kernel knows of, by what each one changes: of two, the later counts. */
const KERNEL_FLAGS: Record<string, string> = {
  ...{ suid: 'suid', nosuid: 'suid', dev: 'dev', nodev: 'dev', exec: 'exec', noexec: 'exec' },
  ...{ sync: 'sync', async: 'sync', dirsync: 'dirsync', diratime: 'diratime', nodiratime: 'diratime' },
  ...{ noatime: 'atime', atime: 'atime', relatime: 'relatime', norelatime: 'relatime', nostrictatime: 'strictatime' },
};

/** For mount(8), fstab(5) and systemd.mount(5), which leave them in the list. */
const FOR_OTHERS =
  /^(defaults|_netdev|(no)?auto|nofail|(no)?user|users|(no)?owner|(no)?group|comment=.*|user=.*|[xX]-.*|)$/;

interface Draft {
  profile: ProfileName;
  kernel: KernelName;
  readOnly: boolean;
  allowOther: boolean | undefined;
  hard: boolean;
  deadlineSeconds?: number;
  freshSeconds?: number;
  without: Set<Feature>;
  uid?: number;
  gid?: number;
  subtree: readonly string[];
  metrics?: HttpAddress;
  kernelFlags: Record<string, string>;
}

const VALUED: Record<string, (draft: Draft, value: string) => void> = {
  profile: (draft, value) => (draft.profile = profileOf(value)),
  kernel: (draft, value) => (draft.kernel = kernelOf(value)),
  deadline: (draft, value) => (draft.deadlineSeconds = deadlineOf(value)),
  actimeo: (draft, value) => (draft.freshSeconds = secondsOf('actimeo', value)),
  without: (draft, value) => (draft.without = featuresOf(value)),
  uid: (draft, value) => (draft.uid = idOf('uid', value)),
  gid: (draft, value) => (draft.gid = idOf('gid', value)),
  subdir: (draft, value) => (draft.subtree = namesOf(value)),
  metrics: (draft, value) => (draft.metrics = addressOf(value)),
};

const PLAIN: Record<string, (draft: Draft) => void> = {
  ro: (draft) => (draft.readOnly = true),
  rw: (draft) => (draft.readOnly = false),
  soft: (draft) => (draft.hard = false),
  hard: (draft) => (draft.hard = true),
  allow_other: (draft) => (draft.allowOther = true),
  no_allow_other: (draft) => (draft.allowOther = false),
};

/** Options that mean something here but cannot be had, and what to do instead. */
const REFUSED: Record<string, string> = {
  remount: 'is not supported: unmount, and mount with the options that are wanted',
  strictatime: 'cannot be kept: reading does not change atime here; leave it out',
};

/**
 * Parses `profile=strict,ro,…`; later options win over earlier ones, empty ones are passed over.
 * @param sloppy unknown options are passed over too, as by `mount -s`
 * @throws MountOptionError
 */
export function parseMountOptions(text: string, sloppy = false): ParsedMountOptions {
  const draft: Draft = {
    ...{ profile: 'session', kernel: 'dev-fuse', readOnly: false, allowOther: undefined, hard: false, subtree: [] },
    without: new Set(),
    kernelFlags: { ...SAFE_FLAGS },
  };
  for (const option of text.split(',')) if (!FOR_OTHERS.test(option)) take(draft, option, sloppy);
  checkTogether(draft);
  const { profile, kernel, readOnly, allowOther, hard, deadlineSeconds, freshSeconds, uid, gid, subtree, metrics } =
    draft;
  const kernelFlags = Object.values(draft.kernelFlags);
  return {
    ...{ profile, kernel, readOnly, allowOther, subtree, metrics, kernelFlags, without: draft.without },
    deadlineMs: hard ? Number.POSITIVE_INFINITY : (deadlineSeconds ?? DEFAULT_DEADLINE_SECONDS) * 1000,
    freshMs: freshSeconds === undefined ? undefined : freshSeconds * 1000,
    squash: uid === undefined || gid === undefined ? undefined : { uid, gid },
    synchronous: kernelFlags.includes('sync') ? 'all' : kernelFlags.includes('dirsync') ? 'names' : 'no',
  };
}

function checkTogether({ profile, kernel, allowOther, hard, deadlineSeconds, freshSeconds, uid, gid }: Draft): void {
  if (hard && deadlineSeconds !== undefined) {
    throw new MountOptionError('mount option deadline contradicts hard, which waits for ever: give one of them');
  }
  if (profile === 'strict' && freshSeconds !== undefined) {
    throw new MountOptionError('mount option actimeo contradicts profile=strict, which remembers nothing');
  }
  if (kernel === 'fuse-native' && allowOther) {
    throw new MountOptionError(
      'mount option allow_other contradicts kernel=fuse-native, which does not say who makes a call: leave out one of them',
    );
  }
  if ((uid === undefined) !== (gid === undefined)) {
    const [given, missing] = uid === undefined ? ['gid', 'uid'] : ['uid', 'gid'];
    throw new MountOptionError(`mount option ${given} needs ${missing} beside it: all requests are made as that user`);
  }
}

function take(draft: Draft, option: string, sloppy: boolean): void {
  const equals = option.indexOf('=');
  const name = equals === -1 ? option : option.slice(0, equals);
  const value = equals === -1 ? undefined : option.slice(equals + 1);
  if (Object.hasOwn(VALUED, name)) return void VALUED[name](draft, value ?? '');
  if (Object.hasOwn(REFUSED, name)) throw new MountOptionError(`mount option ${name} ${REFUSED[name]}`);
  const isFlag = Object.hasOwn(KERNEL_FLAGS, name);
  if (!isFlag && !Object.hasOwn(PLAIN, name)) {
    if (sloppy) return;
    throw new MountOptionError(`mount option ${name} is unknown: known are ${KNOWN}`);
  }
  if (value !== undefined) throw new MountOptionError(`mount option ${name} takes no value: known are ${KNOWN}`);
  if (isFlag) draft.kernelFlags[KERNEL_FLAGS[name]] = name;
  else PLAIN[name](draft);
}

function profileOf(value: string): ProfileName {
  if (Object.hasOwn(Profiles, value)) return value as ProfileName;
  throw new MountOptionError(`mount option profile is ${value || 'empty'}: use profile=strict or profile=session`);
}

function kernelOf(value: string): KernelName {
  if (value === 'dev-fuse' || value === 'fuse-native') return value;
  throw new MountOptionError(`mount option kernel is ${value || 'empty'}: use kernel=dev-fuse or kernel=fuse-native`);
}

function featuresOf(value: string): Set<Feature> {
  const names = value.split(':');
  if (names.every((name) => FEATURES.some((feature) => feature === name))) return new Set(names as Feature[]);
  throw new MountOptionError(`mount option without is ${value || 'empty'}: known are ${FEATURES.join(', ')}`);
}

function deadlineOf(value: string): number {
  const seconds = secondsOf('deadline', value);
  if (seconds > 0) return seconds;
  throw new MountOptionError('mount option deadline is 0: no call could succeed');
}

function secondsOf(name: string, value: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (seconds <= LONGEST_SECONDS) return seconds;
  throw new MountOptionError(
    `mount option ${name} is ${value || 'empty'}: use ${name}=SECONDS, at most ${LONGEST_SECONDS}`,
  );
}

function idOf(name: string, value: string): number {
  const id = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (id <= HIGHEST_ID) return id;
  throw new MountOptionError(
    `mount option ${name} is ${value || 'empty'}: use ${name}=N, a number up to ${HIGHEST_ID}`,
  );
}

function addressOf(value: string): HttpAddress {
  const address = parseHttpAddress(value);
  if (address !== null) return address;
  throw new MountOptionError(`mount option metrics is ${value || 'empty'}: ${HTTP_ADDRESS_EXPECTED}`);
}

function namesOf(value: string): string[] {
  const names = Buffer.from(value)
    .toString('latin1')
    .split('/')
    .filter((name) => name !== '' && name !== '.');
  if (value !== '' && !names.includes('..') && !value.includes('\0')) return names;
  throw new MountOptionError(
    `mount option subdir is ${value || 'empty'}: use subdir=PATH from the root of the file system, without ..`,
  );
}
