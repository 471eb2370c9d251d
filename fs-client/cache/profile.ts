/** What a mount may remember, and so what its users may see of other mounts' changes. Stated in the README. */
export type ProfileName = 'strict' | 'session';

export interface Profile {
  name: ProfileName;
  /** Attributes, names and absent names may be this old when they are answered, milliseconds. */
  freshMs: number;
  /** ENOENT is remembered too, as long. */
  absentNames: boolean;
  /** A directory in which names are missed is listed: its names then answer for all that are not there. */
  listings: boolean;
  /** Pages stay in the kernel from one OPEN to the next; otherwise every read and write comes here. */
  pageCache: boolean;
  /** WRITE is answered when its data is held here, and executed by the next close, fsync or dependent call. */
  writeBehind: boolean;
  /** OPEN resolves the name again that the kernel's walk took from its cache. */
  resolveAtOpen: boolean;
  /** The kernel need not say when a file is closed that was only read, unless locks are dropped by that. */
  noFlush: boolean;
}

/** Linearizable: nothing is answered from memory. OPEN follows a walk that asked for every name. */
const strict: Profile = {
  name: 'strict',
  freshMs: 0,
  absentNames: false,
  listings: false,
  pageCache: false,
  writeBehind: false,
  resolveAtOpen: false,
  noFlush: true,
};

/** Close-to-open, like NFS (RFC 1813 §4.11, RFC 8881 §10.3). */
const session: Profile = {
  name: 'session',
  freshMs: 1000,
  absentNames: true,
  listings: true,
  pageCache: true,
  writeBehind: true,
  resolveAtOpen: true,
  noFlush: true,
};

export const Profiles: Record<ProfileName, Profile> = { strict, session };
