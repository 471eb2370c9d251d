interface Event {
  at: number;
  order: number;
  run: () => void;
}

/** Simulated time: events in order of their time, and of their making where that is equal; a binary heap. */
export class Scheduler {
  private readonly heap: Event[] = [];
  private made = 0;
  /** Milliseconds since the world began. */
  now = 0;
  /** Events that took place. */
  executed = 0;

  /** Events to come: messages under way, for the most part. */
  get waiting(): number {
    return this.heap.length;
  }

  after(delayMs: number, run: () => void): void {
    const { heap } = this;
    const event = { at: this.now + delayMs, order: this.made++, run };
    let child = heap.length;
    heap.push(event);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!before(event, heap[parent])) break;
      heap[child] = heap[parent];
      child = parent;
    }
    heap[child] = event;
  }

  every(intervalMs: number, run: () => void): void {
    this.after(intervalMs, () => {
      run();
      this.every(intervalMs, run);
    });
  }

  /** Lets the next event take place. False, and nothing happens, if there is none up to `end`. */
  step(end: number): boolean {
    if (this.heap.length === 0 || this.heap[0].at > end) return false;
    const event = this.pop();
    this.now = Math.max(this.now, event.at);
    this.executed++;
    event.run();
    return true;
  }

  private pop(): Event {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[parent] = heap[child];
      parent = child;
    }
    heap[parent] = last;
    return top;
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
