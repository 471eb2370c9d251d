/** The `-o` options of a mount. */
import { type ProfileName, Profiles } from './cache/profile.js';
import type { KernelName } from './kernel/kernel.js';

export interface ParsedMountOptions {
  profile: ProfileName;
  kernel: KernelName;
  readOnly: boolean;
  /** Undefined: as goes with who mounts and how. */
  allowOther: boolean | undefined;
  /** How long a call may wait for a quorum before it fails with EIO; Infinity with `hard`. */
  deadlineMs: number;
}

/** One line: which option, and what it may be. */
export class MountOptionError extends Error {
  override name = 'MountOptionError';
}

/** Longer than a few view changes in a row take (0.8 s, doubling), shorter than people wait. */
const DEFAULT_DEADLINE_SECONDS = 30;
export const DEFAULT_DEADLINE_MS = DEFAULT_DEADLINE_SECONDS * 1000;
const LONGEST_DEADLINE_SECONDS = 86_400;

const KNOWN =
  'profile=strict|session, kernel=dev-fuse|fuse-native, ro, rw, soft, hard, deadline=SECONDS, allow_other, no_allow_other';

const WITH_VALUE = new Set(['profile', 'kernel', 'deadline']);

/**
 * Parses `profile=strict,ro,…`; later options win over earlier ones, empty ones are passed over.
 * @throws MountOptionError
 */
export function parseMountOptions(text: string): ParsedMountOptions {
  const options: Omit<ParsedMountOptions, 'deadlineMs'> = {
    ...{ profile: 'session', kernel: 'dev-fuse', readOnly: false, allowOther: undefined },
  };
  let hard = false;
  let deadlineSeconds: number | undefined;
  for (const option of text.split(',')) {
    const equals = option.indexOf('=');
    const name = equals === -1 ? option : option.slice(0, equals);
    const value = equals === -1 ? undefined : option.slice(equals + 1);
    if (value !== undefined && !WITH_VALUE.has(name)) {
      throw new MountOptionError(`mount option ${name} takes no value: known are ${KNOWN}`);
    }
    switch (name) {
      case '':
        break;
      case 'profile':
        options.profile = profileOf(value);
        break;
      case 'kernel':
        options.kernel = kernelOf(value);
        break;
      case 'ro':
      case 'rw':
        options.readOnly = name === 'ro';
        break;
      case 'soft':
      case 'hard':
        hard = name === 'hard';
        break;
      case 'deadline':
        deadlineSeconds = secondsOf(value);
        break;
      case 'allow_other':
      case 'no_allow_other':
        options.allowOther = name === 'allow_other';
        break;
      default:
        throw new MountOptionError(`mount option ${name} is unknown: known are ${KNOWN}`);
    }
  }
  if (hard && deadlineSeconds !== undefined) {
    throw new MountOptionError('mount option deadline contradicts hard, which waits for ever: give one of them');
  }
  if (options.kernel === 'fuse-native' && options.allowOther) {
    throw new MountOptionError(
      'mount option allow_other contradicts kernel=fuse-native, which does not say who makes a call: leave out one of them',
    );
  }
  const deadlineMs = hard ? Number.POSITIVE_INFINITY : (deadlineSeconds ?? DEFAULT_DEADLINE_SECONDS) * 1000;
  return { ...options, deadlineMs };
}

function profileOf(value: string | undefined): ProfileName {
  if (value !== undefined && Object.hasOwn(Profiles, value)) return value as ProfileName;
  throw new MountOptionError(`mount option profile is ${value || 'empty'}: use profile=strict or profile=session`);
}

function kernelOf(value: string | undefined): KernelName {
  if (value === 'dev-fuse' || value === 'fuse-native') return value;
  throw new MountOptionError(`mount option kernel is ${value || 'empty'}: use kernel=dev-fuse or kernel=fuse-native`);
}

function secondsOf(value: string | undefined): number {
  const seconds = value !== undefined && /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (seconds > 0 && seconds <= LONGEST_DEADLINE_SECONDS) return seconds;
  throw new MountOptionError(
    `mount option deadline is ${value || 'empty'}: use deadline=SECONDS, more than 0 and at most ${LONGEST_DEADLINE_SECONDS}`,
  );
}
