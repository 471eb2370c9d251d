/** What a mount may remember, and so what its users may see of other mounts' changes. Stated in the README. */
export type ProfileName = 'strict' | 'session';

export interface Profile {
  name: ProfileName;
  /** Attributes, names and absent names may be this old when they are answered, milliseconds. */
  freshMs: number;
  /** Pages stay in the kernel from one OPEN to the next; otherwise every read and write comes here. */
  pageCache: boolean;
  /** WRITE is answered when its data is held here, and executed by the next close, fsync or dependent call. */
  writeBehind: boolean;
  /** OPEN resolves the name again that the kernel's walk took from its cache. */
  resolveAtOpen: boolean;
}

/** Linearizable: nothing is answered from memory. OPEN follows a walk that asked for every name. */
const strict: Profile = { name: 'strict', freshMs: 0, pageCache: false, writeBehind: false, resolveAtOpen: false };

/** Close-to-open, like NFS (RFC 1813 §4.11, RFC 8881 §10.3). */
const session: Profile = { name: 'session', freshMs: 1000, pageCache: true, writeBehind: true, resolveAtOpen: true };

export const Profiles: Record<ProfileName, Profile> = { strict, session };
