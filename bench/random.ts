/** A small generator of the same numbers everywhere: mulberry32 (Tommy Ettinger). Not for secrets. */
export class Random {
  constructor(private state: number) {}

  /** 32 random bits, unsigned. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** An integer in low … high. */
  between(low: number, high: number): number {
    return low + (this.next() % (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.next() % items.length];
  }
}
