/** Where the time of a mount goes, for `byzfs bench --profile`: each request of the kernel, from its being read to its answer. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ServiceClient } from '../src/client/types.js';
import type { NetCounters } from '../src/net/counters.js';
import { addCall, CallWatch } from '../src/profiling/calls.js';
import { type CallFigures, FROM_MEMORY, type MountFigures, type RequestFigures } from '../src/profiling/figures.js';
import { timeClient, timeNetwork } from '../src/profiling/sections.js';
import { Stopwatch } from '../src/profiling/stopwatch.js';
import { Opcode, opcodeName } from './kernel/dev-fuse/abi.js';
import { Channel } from './kernel/dev-fuse/channel.js';
import { Session } from './kernel/dev-fuse/session.js';
import type { FileSystem } from './kernel/kernel.js';

/** Those that have no answer, and those that are no calls. */
const NOT_COUNTED: ReadonlySet<number> = new Set([
  ...[Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.INTERRUPT, Opcode.NOTIFY_REPLY, Opcode.INIT, Opcode.DESTROY],
]);

/** As the service names them, where it has the same. */
const NAMES = new Map<number, string>([
  [Opcode.READDIRPLUS, 'readdir'],
  [Opcode.RENAME2, 'rename'],
  [Opcode.FALLOCATE, 'allocate'],
  [Opcode.LSEEK, 'seek'],
  [Opcode.COPY_FILE_RANGE, 'copy'],
  [Opcode.RELEASE, 'close'],
  [Opcode.SETLK, 'lock'],
  [Opcode.SETLKW, 'lock'],
  [Opcode.GETLK, 'testlock'],
]);

interface KernelRequest {
  name: string;
  start: number;
  /** Of the watch over calls, and of the stopwatch, at the start. */
  busy: number;
  lost: number;
  kernelMs: number;
  calls: string[];
  /** The request is being handled: what is answered meanwhile waited for nobody. */
  handling: boolean;
  answered: number | undefined;
}

const keyOf = (low: number, high: number): number => high * 2 ** 32 + low;

export class MountProfile {
  private readonly stopwatch = new Stopwatch();
  private readonly unanswered = new Map<number, KernelRequest>();
  /** In whose name something is done. */
  private readonly onBehalfOf = new AsyncLocalStorage<KernelRequest>();
  private readonly watch: CallWatch;
  private readonly requests: Record<string, RequestFigures> = {};
  private readonly background: Record<string, CallFigures> = {};

  /** From now on everything that this process does is measured. */
  constructor() {
    const { stopwatch } = this;
    timeNetwork(stopwatch);
    timeClient(stopwatch);
    this.watch = new CallWatch((call) => {
      const request = this.onBehalfOf.getStore();
      request?.calls.push(call.op);
      // Who waits for the call has not answered before it has a result.
      const waits = (): boolean => request !== undefined && request.answered === undefined;
      return (ms) => waits() || addCall(this.background, call, ms);
    });
    this.timeRequests();
    this.timeAnswers();
  }

  private timeRequests(): void {
    const profile = this;
    const { onRequest } = Session.prototype;
    Session.prototype.onRequest = function (buffer, length) {
      // fuse_in_header
      const opcode = buffer.readUInt32LE(4);
      const serve = (): void => onRequest.call(this, buffer, length);
      if (NOT_COUNTED.has(opcode)) serve();
      else profile.serve(opcode, keyOf(buffer.readUInt32LE(8), buffer.readUInt32LE(12)), serve);
    };
  }

  private serve(opcode: number, unique: number, serve: () => void): void {
    const { stopwatch, unanswered } = this;
    const start = performance.now();
    const request: KernelRequest = {
      name: NAMES.get(opcode) ?? opcodeName(opcode).toLowerCase(),
      ...{ start, busy: this.watch.busyMs(start), lost: stopwatch.lostMs },
      ...{ kernelMs: 0, calls: [], handling: true, answered: undefined },
    };
    unanswered.set(unique, request);
    stopwatch.enter('kernel');
    try {
      this.onBehalfOf.run(request, serve);
    } finally {
      request.kernelMs += stopwatch.leave();
      request.handling = false;
      if (request.answered !== undefined) {
        request.answered = performance.now() - (stopwatch.lostMs - request.lost);
        this.note(request, true);
      }
      // It waits for calls that others have made.
      else if (request.calls.length === 0) request.calls.push(...this.watch.current());
    }
  }

  private timeAnswers(): void {
    const { send, sendData } = Channel.prototype;
    const profile = this;
    Channel.prototype.send = function (low, high, errno) {
      profile.answer(keyOf(low, high), () => send.call(this, low, high, errno));
    };
    Channel.prototype.sendData = function (low, high, data) {
      profile.answer(keyOf(low, high), () => sendData.call(this, low, high, data));
    };
  }

  private answer(unique: number, send: () => void): void {
    const { stopwatch } = this;
    const start = performance.now();
    // The process that is answered goes on, here perhaps in our place.
    stopwatch.enter('kernel', undefined, true);
    send();
    const took = stopwatch.leave();
    const request = this.unanswered.get(unique);
    if (request === undefined) return;
    this.unanswered.delete(unique);
    request.kernelMs += took;
    request.answered = start + took;
    if (!request.handling) this.note(request, false);
  }

  /** @param atOnce it was answered before anything else was done */
  private note(request: KernelRequest, atOnce: boolean): void {
    const { name, start, answered, kernelMs, busy, calls } = request;
    const asked = !atOnce && calls.length > 0;
    const wallMs = answered! - start;
    const waitMs = asked ? Math.min(this.watch.busyMs(answered!) - busy, wallMs - kernelMs) : 0;
    const kind = asked ? name : `${name}${FROM_MEMORY}`;
    this.requests[kind] ??= { count: 0, wallMs: 0, kernelMs: 0, waitMs: 0, calls: {} };
    const figures = this.requests[kind];
    figures.count++;
    figures.wallMs += wallMs;
    figures.kernelMs += kernelMs;
    figures.waitMs += waitMs;
    if (asked) for (const op of calls) figures.calls[op] = (figures.calls[op] ?? 0) + 1;
  }

  watched(service: ServiceClient): ServiceClient {
    return this.watch.watched(service);
  }

  /** The same file system; what it does is the client's part. */
  between(fs: FileSystem): FileSystem {
    const timed = new Map<unknown, unknown>();
    return new Proxy(fs, {
      get: (target, name) => {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        if (!timed.has(name)) timed.set(name, this.stopwatch.timed(method.bind(target), 'client'));
        return timed.get(name);
      },
    });
  }

  figures(net: NetCounters): MountFigures {
    const { requests, background } = this;
    return { ...this.watch.figures(this.stopwatch, net), requests, background };
  }
}
