/**
 * Receives a descriptor over a unix socket (unix(7), SCM_RIGHTS), which Node cannot: through the C library, by the
 * optional npm package koffi. Structures and numbers are those of Linux with 64-bit pointers, low bytes first.
 */
import { createRequire } from 'node:module';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** struct cmsghdr: size_t length, int level, int type; then one int, padded. */
const CONTROL_BYTES = 24;
const CMSG_LENGTH = 20;

/** What is used here of koffi 3, without whose types all of this compiles too: it may not be there. */
interface Koffi {
  load(library: string): { func(...prototype: unknown[]): (...args: unknown[]) => number };
  struct(fields: Record<string, unknown>): unknown;
  pointer(type: unknown): unknown;
  inout(type: unknown): unknown;
  errno(): number;
}

interface LibC {
  socketpair(domain: number, type: number, protocol: number, pair: number[]): number;
  recvmsg(fd: number, message: object, flags: number): number;
  errno(): number;
}

const require = createRequire(import.meta.url);
let loaded: LibC | undefined;

/** @throws Error if there is no koffi */
function libc(): LibC {
  if (loaded !== undefined) return loaded;
  const koffi = require('koffi') as Koffi;
  const library = koffi.load('libc.so.6');
  const iovec = koffi.struct({ iov_base: 'void *', iov_len: 'size_t' });
  const msghdr = koffi.struct({
    msg_name: 'void *',
    msg_namelen: 'uint32_t',
    msg_iov: koffi.pointer(iovec),
    msg_iovlen: 'size_t',
    msg_control: 'void *',
    msg_controllen: 'size_t',
    msg_flags: 'int',
  });
  loaded = {
    socketpair: library.func('int socketpair(int domain, int type, int protocol, _Out_ int *pair)'),
    recvmsg: library.func('recvmsg', 'intptr_t', ['int', koffi.inout(koffi.pointer(msghdr)), 'int']),
    errno: () => koffi.errno(),
  };
  return loaded;
}

export function canReceiveDescriptors(): boolean {
  try {
    libc();
    return true;
  } catch {
    return false;
  }
}

/** Two connected sockets, as bare descriptors that no other program inherits by itself. */
export function socketPair(): [number, number] {
  const pair = [-1, -1];
  if (libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) {
    throw new Error(`socketpair failed (errno ${libc().errno()})`);
  }
  return [pair[0], pair[1]];
}

/** The descriptor in the message that has arrived at `socket`. @throws Error if none has */
export function receiveDescriptor(socket: number): number {
  const data = Buffer.alloc(1);
  const control = Buffer.alloc(CONTROL_BYTES);
  const message = {
    ...{ msg_name: null, msg_namelen: 0, msg_flags: 0 },
    ...{ msg_iov: [{ iov_base: data, iov_len: data.length }], msg_iovlen: 1 },
    ...{ msg_control: control, msg_controllen: control.length },
  };
  const received = libc().recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (received < 0) throw new Error(`no descriptor was received (errno ${libc().errno()})`);
  const whole = Number(message.msg_controllen) >= CMSG_LENGTH && control.readBigUInt64LE(0) === BigInt(CMSG_LENGTH);
  if (!whole || control.readInt32LE(8) !== SOL_SOCKET || control.readInt32LE(12) !== SCM_RIGHTS) {
    throw new Error('no descriptor was received');
  }
  return control.readInt32LE(16);
}
