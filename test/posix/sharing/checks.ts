/** What a history of several processes on several mounts must have been like, by profile. */
import assert from 'node:assert/strict';

/** [kind, key, value, called, returned]; times in milliseconds. */
export type Event = readonly [kind: string, key: string, value: unknown, called: number, returned: number];

/** How old attributes and listings may be: README, mount options. */
const FRESH_MS = { session: 1000, strict: 0 };

export type Profile = keyof typeof FRESH_MS;

/** @param log the lines of the log after all had ended */
export function check(profile: Profile, events: readonly Event[], log: readonly string[]): void {
  const of = (...kinds: string[]) => events.filter(([kind]) => kinds.includes(kind));
  for (const key of new Set(of('write', 'read').map(([, each]) => each))) {
    const writes = of('write').filter(([, each]) => each === key);
    const reads = of('read').filter(([, each]) => each === key);
    checkCloseToOpen(writes, reads);
    if (profile === 'strict') checkLinearizable(writes, reads);
  }
  checkLog(of('append'), log);
  checkSizes(of('size'), of('append'), log, FRESH_MS[profile]);
  checkLocks(of('take', 'release'));
  checkListings(of('list'), of('add'), of('remove'), FRESH_MS[profile]);
}

/**
 * Who opens a file sees what was closed before: the value of a write that had begun before the read ended, and after
 * which no other began and was closed before the read was called.
 */
export function checkCloseToOpen(writes: readonly Event[], reads: readonly Event[]): void {
  const byValue = new Map(writes.map((write) => [write[2], write]));
  for (const read of reads) {
    const [, key, value, called, returned] = read;
    const write = byValue.get(value);
    assert.ok(write !== undefined && write[3] < returned, `${key}: read what was not written: ${value}`);
    const newer = writes.find((other) => other[3] > write[4] && other[4] < called);
    assert.equal(
      newer,
      undefined,
      `${key}: ${JSON.stringify(read)} of ${JSON.stringify(write)} did not see ${JSON.stringify(newer)}`,
    );
  }
}

/**
 * Linearizability of a register whose values are all different, by zones (Gibbons and Korach, SIAM J. Comput. '97, §4): a
 * value's zone is between the first return and the last call of what wrote or read it. Where it is forward (the return is
 * first), the register had that value throughout: no two such zones overlap, nor does one contain a backward zone.
 */
export function checkLinearizable(writes: readonly Event[], reads: readonly Event[]): void {
  const zones = new Map(writes.map((write) => [write[2], { value: write[2], low: write[4], high: write[3] }]));
  for (const [, , value, called, returned] of reads) {
    const zone = zones.get(value)!;
    zone.low = Math.min(zone.low, returned);
    zone.high = Math.max(zone.high, called);
  }
  const all = [...zones.values()];
  const forward = all.filter(({ low, high }) => low < high).sort((a, b) => a.low - b.low);
  const backward = all.filter(({ low, high }) => low >= high);
  for (const [i, zone] of forward.entries()) {
    const next = forward[i + 1];
    assert.ok(next === undefined || next.low > zone.high, `values ${zone.value} and ${next?.value} at one time`);
    const within = backward.find(({ low, high }) => high > zone.low && low < zone.high);
    assert.equal(within, undefined, `value ${within?.value} while it was ${zone.value}`);
  }
}

/** What was appended is there once, in an order that keeps real time. */
function checkLog(appends: readonly Event[], log: readonly string[]): void {
  const expected = appends.map(([, , value]) => value).sort();
  assert.deepEqual([...log].sort(), expected, 'what was appended');
  const byValue = new Map(appends.map((append) => [append[2], append]));
  let earliestReturn = Number.POSITIVE_INFINITY;
  // From the end on: none may have returned before one that stands before it was called.
  for (const value of [...log].reverse()) {
    const [, , , called, returned] = byValue.get(value)!;
    assert.ok(called <= earliestReturn, `${value} stands before what was appended earlier`);
    earliestReturn = Math.min(earliestReturn, returned);
  }
}

/** A size is that of the log with some of the lines, among them all that were closed `freshMs` before. */
function checkSizes(sizes: readonly Event[], appends: readonly Event[], log: readonly string[], freshMs: number): void {
  const ends = new Map<unknown, number>();
  let end = 0;
  for (const line of log) {
    end += line.length + 1;
    ends.set(line, end);
  }
  const possible = new Set([0, ...ends.values()]);
  for (const [, , size, called, returned] of sizes) {
    assert.ok(possible.has(size as number), `the log was ${size} bytes`);
    const late = appends.find((append) => append[4] < called - freshMs && ends.get(append[2])! > (size as number));
    assert.equal(late, undefined, `a size of ${size} does not have ${JSON.stringify(late)}`);
    const early = appends.find((append) => append[3] > returned && ends.get(append[2])! <= (size as number));
    assert.equal(early, undefined, `a size of ${size} has ${JSON.stringify(early)}`);
  }
}

/** A lock is one process's from when it is known to have it to when it begins to give it up. */
function checkLocks(events: readonly Event[]): void {
  const held = new Map<string, Event>();
  let taken = 0;
  // In the order in which a lock was certainly had, and certainly not given up yet.
  const moment = ([kind, , , called, returned]: Event) => (kind === 'take' ? returned : called);
  for (const event of [...events].sort((a, b) => moment(a) - moment(b))) {
    const [kind, key, value] = event;
    if (kind === 'release') {
      assert.equal(value, 'gone', `giving up ${key}`);
      held.delete(key);
    } else if (value === 'taken') {
      assert.equal(held.get(key), undefined, `${key} was taken twice`);
      held.set(key, event);
      taken++;
    } else {
      assert.equal(value, 'EEXIST', `taking ${key}`);
    }
  }
  assert.ok(taken > 0);
}

/** A listing has every name that was there from `freshMs` before it on, none twice, and none that was gone by then. */
function checkListings(
  lists: readonly Event[],
  adds: readonly Event[],
  removes: readonly Event[],
  freshMs: number,
): void {
  const removed = new Map(removes.map((event) => [event[1], event]));
  for (const [, name, value] of adds) assert.equal(value, 'added', name);
  for (const [, name, value] of removes) assert.equal(value, 'gone', name);
  for (const [, , value, called, returned] of lists) {
    const listed = value as string[];
    const names = new Set(listed);
    assert.equal(names.size, listed.length, 'a name is listed twice');
    for (const [, name, , addCalled, addReturned] of adds) {
      const removal = removed.get(name);
      const stayed = addReturned < called - freshMs && (removal === undefined || removal[3] > returned);
      assert.ok(!stayed || names.has(name), `${name} is not listed`);
      const absent = addCalled > returned || (removal !== undefined && removal[4] < called - freshMs);
      assert.ok(!absent || !names.has(name), `${name} is listed`);
    }
  }
}
