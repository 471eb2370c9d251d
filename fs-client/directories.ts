/** Calls on open directories: pages of entries, taken from the service as the kernel comes to need them. */
import { Errno } from '../src/fileservice/errno.js';
import type { DirectoryEntry, Results } from '../src/fileservice/results.js';
import { type Attributes, type Credentials, FileLimits } from '../src/fileservice/types.js';
import type { Node } from './cache/node.js';
import { LOST, LossReport } from './cache/sync-record.js';
import type { Answer, Caller, DirectoryWindow, EntryAnswer, Outcome } from './kernel/kernel.js';
import { type MountContext, STALE } from './mount-context.js';
import { entryName } from './namespace.js';

/** One opendir(3). */
interface Stream {
  node: Node;
  credentials: Credentials;
  /** The page last read: the entries after `cookie`. */
  page: { cookie: number; entries: readonly DirectoryEntry[]; end: boolean; change: number; until: number } | undefined;
  /** Where the kernel will probably go on in it. */
  next: number;
  /** Names read so far, from the start and while the directory did not change. */
  names: { seen: Set<string>; change: number; until: number } | undefined;
  losses: LossReport;
}

const START = 0;

export class Directories {
  private readonly streams = new Map<number, Stream>();
  private nextFh = 1;

  constructor(private readonly context: MountContext) {}

  /** Nothing is asked: the kernel has checked permissions, and the first page will be fresh. */
  opendir(caller: Caller, ino: number): Answer<{ fh: number }> {
    const node = this.context.nodes.get(ino);
    if (node === undefined) return STALE;
    const fh = this.nextFh++;
    const credentials = this.context.credentials.of(caller);
    const losses = new LossReport(node.sync);
    this.streams.set(fh, { node, credentials, page: undefined, next: 0, names: undefined, losses });
    return { errno: 0, fh };
  }

  readdir(fh: number, cookie: number): Answer<DirectoryWindow> {
    const stream = this.streams.get(fh);
    if (stream === undefined) return { errno: Errno.EBADF };
    if (stream.node.removed) return { errno: 0, entries: [], first: 0 };
    return (cookie === START ? undefined : windowAfter(stream, cookie)) ?? this.readPage(stream, cookie);
  }

  private async readPage(stream: Stream, cookie: number): Promise<Outcome<DirectoryWindow>> {
    const { node, credentials } = stream;
    const until = this.context.freshUntil();
    const maxBytes = FileLimits.readdirBytes;
    const result = await this.context.files.perform(credentials, { op: 'readdir', directory: node, cookie, maxBytes });
    if (!('entries' in result)) return result;
    const { end, directory } = result;
    const entries = node === this.context.nodes.root ? withoutParent(result.entries, directory) : result.entries;
    stream.page = { cookie, entries, end, change: directory.change, until };
    stream.next = 0;
    node.learn(directory, until);
    this.collect(stream, result, cookie, until);
    return { errno: 0, entries, first: 0 };
  }

  /** A listing read from start to end while nothing changed answers for the names that are not there, too. */
  private collect(stream: Stream, page: Results['readdir'], cookie: number, until: number): void {
    if (!this.context.profile.listings) return;
    const { change } = page.directory;
    if (cookie === START) stream.names = { seen: new Set(), change, until };
    const { names, node } = stream;
    if (names === undefined || names.change !== change) {
      stream.names = undefined;
      return;
    }
    for (const entry of page.entries) names.seen.add(entryName(entry));
    if (!page.end) return;
    stream.names = undefined;
    this.context.keepListing(node, names.seen, change, names.until);
  }

  adopt(fh: number, entry: DirectoryEntry): EntryAnswer | undefined {
    const stream = this.streams.get(fh);
    const name = entryName(entry);
    if (stream?.page === undefined || name === '.' || name === '..') return undefined;
    const { node, page } = stream;
    // The directory has changed since that page was read: the entry may be of the past.
    if (node.attributes?.change !== page.change) return undefined;
    const child = this.context.nodes.learn(entry.attributes, page.until);
    this.context.notice(child);
    node.bind(name, child, page.until);
    return this.context.entryAnswer(child);
  }

  async fsyncdir(fh: number): Promise<Outcome> {
    const stream = this.streams.get(fh);
    if (stream === undefined) return { errno: Errno.EBADF };
    const { node, credentials, losses } = stream;
    if (losses.atSync()) return LOST;
    const synced = node.sync.syncing();
    const { errno } = await this.context.files.perform(credentials, { op: 'fsync', node });
    if (errno === 0) synced();
    // The session may have been lost meanwhile, and this been sent in the next one.
    return losses.atSync() ? LOST : { errno };
  }

  releasedir(fh: number): void {
    this.streams.delete(fh);
  }

  /** Listings under way go on from what the service has now. */
  sessionLost(): void {
    for (const stream of this.streams.values()) {
      stream.page = undefined;
      stream.names = undefined;
    }
  }
}

/** What is mounted has nothing above it, as the root of all. */
function withoutParent(entries: readonly DirectoryEntry[], directory: Attributes): readonly DirectoryEntry[] {
  return entries.map((entry) => (entryName(entry) === '..' ? { ...entry, attributes: directory } : entry));
}

/** What the stream's page holds after `cookie`; undefined if it takes another page. */
function windowAfter(stream: Stream, cookie: number): ({ errno: 0 } & DirectoryWindow) | undefined {
  const { page } = stream;
  if (page === undefined) return undefined;
  const { entries } = page;
  let at = stream.next;
  while (at < entries.length && entries[at].cookie !== cookie) at++;
  if (at === entries.length) return undefined;
  stream.next = at;
  if (at + 1 === entries.length && !page.end) return undefined;
  return { errno: 0, entries, first: at + 1 };
}
