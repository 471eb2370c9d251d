/** Where the time of a replica goes, for `byzfs bench --profile`: measured from the shell, around what the rooms are asked. */
import { operationName } from '../src/fileservice/operations.js';
import type { Request } from '../src/pbft/messages.js';
import type { Outgoing } from '../src/pbft/ready.js';
import { Replica } from '../src/pbft/replica.js';
import { LINKS, ORDERING, processFigures, type ReplicaFigures } from '../src/profiling/figures.js';
import { timeHashing, timeNetwork } from '../src/profiling/sections.js';
import { Stopwatch } from '../src/profiling/stopwatch.js';
import { Journal } from './journal/journal.js';
import { ReplicaServer } from './server.js';
import { FileState } from './state/file-state.js';
import { FileService } from './state/service.js';
import { StoredSessions } from './state/sessions.js';

const nameOf = (operation: Uint8Array): string => operationName(operation) ?? 'unknown';

/** A read-only request costs what its operation costs; another one is part of what ordering takes. */
const kindOf = ({ readOnly, calls }: Request): string =>
  readOnly && calls.length > 0 ? nameOf(calls[0].operation) : ORDERING;

export class ReplicaProfile {
  private readonly stopwatch = new Stopwatch();
  private readonly executed: Record<string, number> = {};
  private readonly queried: Record<string, number> = {};
  private readonly flushes = { count: 0, ms: 0 };

  /** From now on everything that this process does is measured. */
  constructor() {
    const { stopwatch } = this;
    timeNetwork(stopwatch);
    timeHashing(stopwatch);
    stopwatch.time(Replica.prototype, ['receive', 'tick', 'takeReady', 'flushed', 'linkUp'], 'agreement', ORDERING);
    stopwatch.time(Replica.prototype, ['receiveFromClient'], 'agreement', kindOf);
    stopwatch.time(
      FileState.prototype,
      ['beginBatch', 'endBatch', 'commitBatch', 'rollbackBatch'],
      'execution',
      ORDERING,
    );
    stopwatch.time(FileState.prototype, ['checkpoint', 'commit'], 'execution', ORDERING);
    stopwatch.time(StoredSessions.prototype, ['session', 'putSession', 'slot', 'putSlot'], 'execution');
    this.count(FileService.prototype, 'execute', this.executed);
    this.count(FileService.prototype, 'query', this.queried);
    stopwatch.time(FileService.prototype, ['execute', 'query'], 'execution', nameOf);
    stopwatch.time(Journal.prototype, ['append', 'flushNow'], 'journal', ORDERING, {
      within: ['journal'],
      wakes: true,
    });
    stopwatch.time(Journal.prototype, ['sync', 'prune'], 'journal', ORDERING, { within: ['journal'] });
    this.timeFlushes();
    // Encoding is of the network. Both are there to be overridden, and not public.
    const speech = ReplicaServer.prototype as unknown as {
      send(outgoing: Outgoing): void;
      reply(...to: unknown[]): void;
    };
    stopwatch.time(speech, ['send', 'reply'], 'network', LINKS);
  }

  private count(service: typeof FileService.prototype, method: 'execute' | 'query', counts: Record<string, number>) {
    const action = service[method] as (this: unknown, ...args: unknown[]) => unknown;
    const counted = function (this: unknown, ...args: unknown[]): unknown {
      const name = nameOf(args[0] as Uint8Array);
      counts[name] = (counts[name] ?? 0) + 1;
      return action.apply(this, args);
    };
    Object.assign(service, { [method]: counted });
  }

  /** Nobody computes while the disk does; who waits for it waits all the same. */
  private timeFlushes(): void {
    const { flushes } = this;
    const { sync } = Journal.prototype;
    Journal.prototype.sync = function () {
      const start = performance.now();
      const synced = sync.call(this);
      const ended = () => {
        flushes.count++;
        flushes.ms += performance.now() - start;
      };
      synced.then(ended, () => {});
      return synced;
    };
  }

  figures(server: ReplicaServer): ReplicaFigures {
    const { view, net } = server.traffic;
    return {
      ...processFigures(this.stopwatch, net),
      view,
      executed: { ...this.executed },
      queried: { ...this.queried },
      flushes: { ...this.flushes },
    };
  }
}
