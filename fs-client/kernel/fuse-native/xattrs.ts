/** Extended attributes by path, their names as the package's text, values and listings into the room a caller has. */
import { Errno } from '../../../src/fileservice/errno.js';
import type { Answer, Caller, FileSystem, Outcome } from '../kernel.js';
import { terminated } from '../xattr-list.js';
import { EILSEQ, isExpressible, toLatin1 } from './names.js';

/** A call on the inode of a path. */
type Named = <T>(path: string, use: (ino: number) => Answer<T>) => Promise<Outcome<T>>;

/** How many bytes there are; they have been put into the room if there is any. */
type Sized = Promise<Outcome<{ bytes: number }>>;

export class Xattrs {
  constructor(
    private readonly fs: FileSystem,
    private readonly caller: Caller,
    private readonly named: Named,
  ) {}

  async get(path: string, name: string, room: Buffer): Sized {
    const got = await this.with(path, name, (ino, attribute) =>
      this.fs.getXattr(this.caller, ino, attribute, room.length),
    );
    return 'value' in got ? into(room, got.value) : got;
  }

  async list(path: string, room: Buffer): Sized {
    const listed = await this.named(path, (ino) => this.fs.listXattrs(this.caller, ino));
    return 'names' in listed ? into(room, terminated(listed.names)) : listed;
  }

  set(path: string, name: string, value: Buffer, flags: number): Answer {
    return this.with(path, name, (ino, attribute) => this.fs.setXattr(this.caller, ino, attribute, value, flags));
  }

  remove(path: string, name: string): Answer {
    return this.with(path, name, (ino, attribute) => this.fs.removeXattr(this.caller, ino, attribute));
  }

  private async with<T>(path: string, name: string, use: (ino: number, name: string) => Answer<T>) {
    if (!isExpressible(name)) return { errno: EILSEQ };
    return this.named<T>(path, (ino) => use(ino, toLatin1(name)));
  }
}

/** As getxattr(2) and listxattr(2): with no room only the length is asked for. */
function into(room: Buffer, bytes: Uint8Array): Outcome<{ bytes: number }> {
  if (room.length > 0 && bytes.length > room.length) return { errno: Errno.ERANGE };
  if (room.length > 0) room.set(bytes);
  return { errno: 0, bytes: bytes.length };
}
