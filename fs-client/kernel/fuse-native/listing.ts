/** A whole directory, as the package wants it: libfuse then deals it out, the same one until rewinddir(3). */
import { Errno } from '../../../src/fileservice/errno.js';
import type { Caller, FileSystem, Outcome } from '../kernel.js';
import { EILSEQ, fromBytes } from './names.js';
import type { PackageStat } from './stat.js';

export interface Listing {
  names: string[];
  /** Number and type of each. */
  stats: Pick<PackageStat, 'ino' | 'mode'>[];
}

/** EILSEQ if it holds a name that cannot be said: one that is left out would be taken for one that is not there. */
export async function listing(fs: FileSystem, caller: Caller, ino: number): Promise<Outcome<Listing>> {
  const stream = await fs.opendir(caller, ino);
  if (!('fh' in stream)) return stream;
  try {
    return await readAll(fs, stream.fh);
  } finally {
    fs.releasedir(stream.fh);
  }
}

async function readAll(fs: FileSystem, fh: number): Promise<Outcome<Listing>> {
  const names: string[] = [];
  const stats: Listing['stats'] = [];
  let cookie = 0;
  for (;;) {
    const window = await fs.readdir(fh, cookie);
    if (!('entries' in window)) return window;
    const { entries, first } = window;
    if (first >= entries.length) return { errno: 0, names, stats };
    for (let i = first; i < entries.length; i++) {
      const { name, attributes } = entries[i];
      const text = fromBytes(name);
      if (text === undefined) return { errno: EILSEQ };
      if (attributes.ino > 0xffff_ffff) return { errno: Errno.EOVERFLOW };
      names.push(text);
      stats.push({ ino: attributes.ino, mode: attributes.mode });
    }
    cookie = entries[entries.length - 1].cookie;
  }
}
