/**
 * How requests are read from the device: by epoll, or on the thread pool. The loop sleeps between requests. Not doing
 * so for 100 µs after each halves the time of small calls where the service is in this process, and costs a quarter
 * where four replicas want the same two CPUs (docs/RESULTS.md).
 */
import { read } from 'node:fs';
import net from 'node:net';

export interface Reader {
  readonly name: string;
  /** From now on `onRequest` gets each request's length, its bytes being at the start of the buffer. */
  start(): void;
}

export interface ReaderEvents {
  onRequest(buffer: Buffer, length: number): void;
  /** No more requests will come. `code` is the error's: ENODEV after an unmount. */
  onEnd(code: string): void;
}

/** libuv's stream handle as net.Socket wraps it. Undocumented: hence the self-test. */
interface StreamHandle {
  open(fd: number): number;
  close(): void;
}
type StreamHandleClass = new (type: number) => StreamHandle;
const PIPE_SOCKET = 0;

function streamHandleClass(): StreamHandleClass {
  const socket = net.connect('/nonexistent');
  socket.on('error', () => {});
  const handle = (socket as unknown as { _handle: { constructor: StreamHandleClass } })._handle;
  socket.destroy();
  return handle.constructor;
}

function openSocket(fd: number, buffer: Buffer, onData: (length: number) => void): net.Socket {
  const handle = new (streamHandleClass())(PIPE_SOCKET);
  const status = handle.open(fd);
  if (status !== 0) throw new Error(`epoll handle refused the descriptor (${status})`);
  const onread = {
    buffer,
    callback: (length: number) => {
      onData(length);
      return true;
    },
  };
  // `handle` and `onread` are options of the constructor that its type does not list together.
  return new net.Socket({ handle, onread, allowHalfOpen: true } as unknown as net.SocketConstructorOpts);
}

/**
 * Whether epoll through a stream handle works in this Node: reading a device that is not mounted must come back with
 * EPERM, which shows that descriptor, poll and error path are all as expected. Takes `fd` over.
 */
export function epollWorks(fd: number): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const socket = openSocket(fd, Buffer.alloc(64 * 1024), () => resolve(false));
      const timer = setTimeout(() => socket.destroy(), 1000);
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EPERM'));
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(false);
      });
      socket.resume();
    } catch {
      resolve(false);
    }
  });
}

/** Needs a descriptor opened with O_NONBLOCK, and owns it. */
export class EpollReader implements Reader {
  readonly name = 'epoll';
  private readonly buffer: Buffer;

  constructor(
    private readonly fd: number,
    bufferBytes: number,
    private readonly events: ReaderEvents,
  ) {
    this.buffer = Buffer.alloc(bufferBytes);
  }

  start(): void {
    const socket = openSocket(this.fd, this.buffer, (length) => this.events.onRequest(this.buffer, length));
    let code = 'EOF';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? error.message;
    });
    socket.on('close', () => this.events.onEnd(code));
    socket.resume();
  }
}

/** Reads outstanding at a time: two, so that one request is read while another is handled. */
const OUTSTANDING_READS = 2;
const RETRIED = new Set(['EINTR', 'EAGAIN', 'ENOENT']);

/** Blocking reads on the thread pool; needs a descriptor without O_NONBLOCK. */
export class ThreadPoolReader implements Reader {
  readonly name = 'thread pool';
  private ended = false;

  constructor(
    private readonly fd: number,
    private readonly bufferBytes: number,
    private readonly events: ReaderEvents,
  ) {}

  start(): void {
    for (let i = 0; i < OUTSTANDING_READS; i++) this.next(Buffer.alloc(this.bufferBytes));
  }

  private next(buffer: Buffer): void {
    read(this.fd, buffer, 0, buffer.length, null, (error, length) => {
      if (error && !RETRIED.has(error.code ?? '')) {
        if (!this.ended) this.events.onEnd(error.code ?? error.message);
        this.ended = true;
        return;
      }
      if (!error) this.events.onRequest(buffer, length);
      this.next(buffer);
    });
  }
}
