/** Rights as they are given on a command line, and as they are shown. */
import { InvalidArgumentError } from 'commander';
import {
  ALL_RIGHTS,
  canonicalRanges,
  type IdRange,
  isAny,
  type Quota,
  type Rights,
  RightsLimits,
  type Squash,
  type Subtree,
} from '../../fileservice/rights.js';
import { UsageError } from '../errors.js';

export interface RightsOptions {
  uids?: IdRange[];
  gids?: IdRange[];
  squash?: Pick<Squash, 'uid' | 'gid'>;
  /** True: as nobody. */
  rootSquash?: true | Pick<Squash, 'uid' | 'gid'>;
  readOnly?: boolean;
  subtree?: string;
  quota?: number;
  quotaInodes?: number;
  rate?: number;
}

const MAX_ID = 0xffff_fffe;
const NOBODY = { uid: 65_534, gid: 65_534 };
/** No cluster has more. */
const UNLIMITED: Quota = { bytes: 2 ** 50, inodes: 2 ** 40 };

/** `1000-1999,5`, or `any`. */
export function idRanges(text: string): IdRange[] {
  if (text === 'any') return [...ALL_RIGHTS.uids];
  const ranges = text.split(',').map((part) => {
    const found = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part);
    const low = Number(found?.[1]);
    const high = Number(found?.[2] ?? found?.[1]);
    if (found === null || low > high || high > MAX_ID) {
      throw new InvalidArgumentError('Numbers and ranges expected, as 1000-1999,5, or any.');
    }
    return { low, high };
  });
  const canonical = canonicalRanges(ranges);
  if (canonical.length > RightsLimits.ranges) throw new InvalidArgumentError(`${RightsLimits.ranges} ranges at most.`);
  return canonical;
}

/** `1000:100`. */
export function userAndGroup(text: string): Pick<Squash, 'uid' | 'gid'> {
  const found = /^(\d{1,10}):(\d{1,10})$/.exec(text);
  const [uid, gid] = [Number(found?.[1]), Number(found?.[2])];
  if (found === null || uid > MAX_ID || gid > MAX_ID) throw new InvalidArgumentError('UID:GID expected.');
  return { uid, gid };
}

const UNITS = ['', 'K', 'M', 'G', 'T'];

/** `10G`: bytes, with a unit of 1024. */
export function byteCount(text: string): number {
  const found = /^(\d{1,15})([KMGT]?)$/.exec(text);
  const bytes = Number(found?.[1]) * 1024 ** UNITS.indexOf(found?.[2] ?? '');
  if (found === null || bytes > UNLIMITED.bytes) throw new InvalidArgumentError('Bytes expected, as 500M, 10G or 1T.');
  return bytes;
}

/**
 * @param subtree what `options.subtree` was found to be
 * @throws UsageError
 */
export function rightsOf(options: RightsOptions, subtree: Subtree | undefined): Rights {
  const { squash: all, rootSquash: root, quota, quotaInodes } = options;
  if (all !== undefined && root !== undefined)
    throw new UsageError('--squash is for all, root too: leave --root-squash');
  const asRoot = root === true ? NOBODY : root;
  const squash: Squash | undefined =
    all !== undefined ? { whom: 'all', ...all } : asRoot && { whom: 'root', uid: asRoot.uid, gid: asRoot.gid };
  return {
    uids: options.uids ?? ALL_RIGHTS.uids,
    gids: options.gids ?? ALL_RIGHTS.gids,
    squash,
    readOnly: options.readOnly ?? false,
    subtree,
    quota:
      quota === undefined && quotaInodes === undefined
        ? undefined
        : { bytes: quota ?? UNLIMITED.bytes, inodes: quotaInodes ?? UNLIMITED.inodes },
    rate: options.rate,
  };
}

export const showRanges = (ranges: readonly IdRange[]): string => {
  if (isAny(ranges)) return 'any';
  if (ranges.length === 0) return 'none';
  return ranges.map(({ low, high }) => (low === high ? String(low) : `${low}-${high}`)).join(',');
};

export function showBytes(bytes: number): string {
  if (bytes >= UNLIMITED.bytes) return 'unlimited';
  let unit = 0;
  while (unit < UNITS.length - 1 && bytes >= 1024 && bytes % 1024 === 0) {
    bytes /= 1024;
    unit++;
  }
  return `${bytes}${UNITS[unit]}`;
}

export const showInodes = (inodes: number): string => (inodes >= UNLIMITED.inodes ? 'unlimited' : String(inodes));

export function showSquash(squash: Squash | undefined): string {
  if (squash === undefined) return 'none';
  return `${squash.whom} to ${squash.uid}:${squash.gid}`;
}

export const pathOf = ({ path }: Subtree): string => Buffer.from(path, 'latin1').toString();
