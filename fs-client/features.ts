/** What saves requests of the kernel or calls of the service, and can be left out of a mount to see what it is worth. */
import type { Profile } from './cache/profile.js';

export const FEATURES = [
  'attributes',
  'absent-names',
  'listings',
  'pages',
  'write-behind',
  'readdirplus',
  'symlinks',
  'killpriv',
  'large-requests',
  'no-flush',
] as const;

export type Feature = (typeof FEATURES)[number];

/** Of those, what the kernel is asked for at INIT. */
export interface KernelFeatures {
  /** Entries come together with their attributes. */
  readdirPlus: boolean;
  /** Targets of symbolic links stay in the page cache. */
  symlinks: boolean;
  /** Set-user-ID bits and capabilities are the file system's to clear: the kernel need not ask for them. */
  killPrivileges: boolean;
  /** READ and WRITE of up to 1 MiB; otherwise 128 KiB. */
  largeRequests: boolean;
}

export function profileWithout(profile: Profile, without: ReadonlySet<Feature>): Profile {
  return {
    ...profile,
    freshMs: without.has('attributes') ? 0 : profile.freshMs,
    absentNames: profile.absentNames && !without.has('absent-names'),
    listings: profile.listings && !without.has('listings'),
    pageCache: profile.pageCache && !without.has('pages'),
    writeBehind: profile.writeBehind && !without.has('write-behind'),
    noFlush: !without.has('no-flush'),
  };
}

export function kernelFeatures(profile: Profile, without: ReadonlySet<Feature>): KernelFeatures {
  return {
    // Attributes that may not be remembered are not worth having.
    readdirPlus: profile.freshMs > 0 && !without.has('readdirplus'),
    symlinks: !without.has('symlinks'),
    killPrivileges: !without.has('killpriv'),
    largeRequests: !without.has('large-requests'),
  };
}
