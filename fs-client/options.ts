/** The `-o` options of a mount. */

import { type ProfileName, Profiles } from './cache/profile.js';
import { FEATURES, type Feature } from './features.js';

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
  without: ReadonlySet<Feature>;
}

/** One line: which option, and what it may be. */
export class MountOptionError extends Error {
  override name = 'MountOptionError';
}

/** Longer than a few view changes in a row take (0.8 s, doubling), shorter than people wait. */
const DEFAULT_DEADLINE_SECONDS = 30;
export const DEFAULT_DEADLINE_MS = DEFAULT_DEADLINE_SECONDS * 1000;
const LONGEST_SECONDS = 86_400;

const KNOWN =
  'profile=strict|session, ro, rw, soft, hard, deadline=SECONDS, actimeo=SECONDS, allow_other, no_allow_other, without=FEATURE[:FEATURE]...';

const WITH_VALUES = ['profile', 'deadline', 'actimeo', 'without'];

/**
 * Parses `profile=strict,ro,…`; later options win over earlier ones, empty ones are passed over.
 * @throws MountOptionError
 */
export function parseMountOptions(text: string): ParsedMountOptions {
  const options = { profile: 'session' as ProfileName, readOnly: false, allowOther: true, without: new Set<Feature>() };
  let hard = false;
  let deadlineSeconds: number | undefined;
  let freshSeconds: number | undefined;
  for (const option of text.split(',')) {
    const equals = option.indexOf('=');
    const name = equals === -1 ? option : option.slice(0, equals);
    const value = equals === -1 ? undefined : option.slice(equals + 1);
    if (value !== undefined && !WITH_VALUES.includes(name)) {
      throw new MountOptionError(`mount option ${name} takes no value: known are ${KNOWN}`);
    }
    switch (name) {
      case '':
        break;
      case 'profile':
        options.profile = profileOf(value);
        break;
      case 'without':
        options.without = featuresOf(value);
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
        deadlineSeconds = secondsOf(name, value);
        if (deadlineSeconds === 0) throw new MountOptionError('mount option deadline is 0: no call could succeed');
        break;
      case 'actimeo':
        freshSeconds = secondsOf(name, value);
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
  if (options.profile === 'strict' && freshSeconds !== undefined) {
    throw new MountOptionError('mount option actimeo contradicts profile=strict, which remembers nothing');
  }
  const freshMs = freshSeconds === undefined ? undefined : freshSeconds * 1000;
  const deadlineMs = hard ? Number.POSITIVE_INFINITY : (deadlineSeconds ?? DEFAULT_DEADLINE_SECONDS) * 1000;
  return { ...options, deadlineMs, freshMs };
}

function profileOf(value: string | undefined): ProfileName {
  if (value !== undefined && Object.hasOwn(Profiles, value)) return value as ProfileName;
  throw new MountOptionError(`mount option profile is ${value || 'empty'}: use profile=strict or profile=session`);
}

function featuresOf(value: string | undefined): Set<Feature> {
  const names = value?.split(':') ?? [];
  const unknown = names.find((name) => !FEATURES.some((feature) => feature === name));
  if (names.length > 0 && unknown === undefined) return new Set(names as Feature[]);
  throw new MountOptionError(`mount option without is ${value || 'empty'}: known are ${FEATURES.join(', ')}`);
}

function secondsOf(name: string, value: string | undefined): number {
  const seconds = value !== undefined && /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (seconds <= LONGEST_SECONDS) return seconds;
  throw new MountOptionError(
    `mount option ${name} is ${value || 'empty'}: use ${name}=SECONDS, at most ${LONGEST_SECONDS}`,
  );
}
