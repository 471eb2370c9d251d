/** On whose behalf a call is made: the kernel tells uid and gid, the supplementary groups are in /proc. */
import { readFileSync } from 'node:fs';
import { type Credentials, FileLimits } from '../src/fileservice/types.js';
import type { Caller } from './kernel/kernel.js';

/** A process that changes its groups is seen to have done so within this time. */
const FRESH_MS = 1000;
const CACHED = 4096;

const NO_GROUPS: readonly number[] = [];

/** Whom every request of a mount is made as, in place of its caller and without further groups. */
export interface Squash {
  uid: number;
  gid: number;
}

export class CredentialsCache {
  private readonly byPid = new Map<number, { credentials: Credentials; until: number }>();
  /** For what the mount asks for of its own accord. */
  readonly own: Credentials;

  constructor(private readonly squash?: Squash) {
    this.own = { uid: squash?.uid ?? 0, gid: squash?.gid ?? 0, groups: NO_GROUPS };
  }

  /** For what no group can give a right to. */
  withoutGroups(caller: Caller): Credentials {
    const { uid, gid } = this.squash ?? caller;
    return { uid, gid, groups: NO_GROUPS };
  }

  of(caller: Caller): Credentials {
    if (this.squash !== undefined) return this.own;
    const { uid, gid, pid } = caller;
    // Permission checks do not look at root's groups; a process that cannot be seen has none.
    if (uid === 0 || pid === 0) return { uid, gid, groups: NO_GROUPS };
    const now = performance.now();
    const known = this.byPid.get(pid);
    if (known && known.until > now && known.credentials.uid === uid && known.credentials.gid === gid) {
      return known.credentials;
    }
    const credentials = { uid, gid, groups: supplementaryGroups(pid) };
    if (this.byPid.size >= CACHED) this.byPid.clear();
    this.byPid.set(pid, { credentials, until: now + FRESH_MS });
    return credentials;
  }
}

export const sameCredentials = (a: Credentials, b: Credentials): boolean =>
  a === b || (a.uid === b.uid && a.gid === b.gid && a.groups.join() === b.groups.join());

/** The `Groups:` line of /proc/PID/status. Procfs is no mount of ours: reading it cannot wait for us. */
function supplementaryGroups(pid: number): readonly number[] {
  try {
    const line = /^Groups:(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    // With no group the line is a tab and a blank, neither of which is group 0.
    const groups = line?.[1].match(/\d+/g) ?? [];
    return groups.map(Number).slice(0, FileLimits.supplementaryGroups);
  } catch {
    return NO_GROUPS;
  }
}
