/** Where the time of one process goes, for `byzfs bench --profile`. Without it nothing here is ever loaded. */

/** What time is spent on. `network` is framing, link MACs and sockets; `hashing` all other digests, MACs and signatures. */
export const PARTS = ['kernel', 'client', 'network', 'agreement', 'execution', 'hashing', 'journal'] as const;

export type Part = (typeof PARTS)[number];

/** Milliseconds; in reports microseconds. */
export type Times = Record<Part, number>;

export const noTime = (): Times => Object.fromEntries(PARTS.map((part) => [part, 0])) as Times;

/** Whatever for: of sections that are not entered for one kind of operation. */
const SHARED = '';

interface Section {
  part: Part;
  kind: string;
  self: number;
}

/**
 * Measures synchronous sections, each without those within it: hashing that agreement asks for is hashing. Times are
 * by the clock: they include what else the machine did meanwhile.
 */
export class Stopwatch {
  private readonly byKind = new Map<string, Times>();
  private readonly sections: Section[] = [];
  private since = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** @param kind of operation; default: that of the section around it */
  enter(part: Part, kind?: string): void {
    const now = this.now();
    const outer = this.sections.at(-1);
    if (outer !== undefined) outer.self += now - this.since;
    this.sections.push({ part, kind: kind ?? outer?.kind ?? SHARED, self: 0 });
    this.since = now;
  }

  /** Ends the section entered last. @returns what it took itself, milliseconds */
  leave(): number {
    const now = this.now();
    const { part, kind, self } = this.sections.pop()!;
    const took = self + now - this.since;
    this.since = now;
    let times = this.byKind.get(kind);
    if (times === undefined) {
      times = noTime();
      this.byKind.set(kind, times);
    }
    times[part] += took;
    return took;
  }

  /** Of the innermost section. */
  get current(): Part | undefined {
    return this.sections.at(-1)?.part;
  }

  /** Milliseconds by kind of operation, of sections that were left. */
  totals(): Record<string, Times> {
    return Object.fromEntries([...this.byKind].map(([kind, times]) => [kind, { ...times }]));
  }

  /**
   * A function whose calls are sections.
   * @param kind of operation, or how it is told from the arguments
   * @param within sections of these parts it is no section of its own
   */
  timed<This, Arguments extends unknown[], Result>(
    action: (this: This, ...args: Arguments) => Result,
    part: Part,
    kind?: string | ((...args: Arguments) => string),
    within: readonly Part[] = [],
  ): (this: This, ...args: Arguments) => Result {
    const stopwatch = this;
    return function (this: This, ...args: Arguments): Result {
      const { current } = stopwatch;
      if (current !== undefined && within.includes(current)) return action.apply(this, args);
      stopwatch.enter(part, typeof kind === 'function' ? kind(...args) : kind);
      try {
        return action.apply(this, args);
      } finally {
        stopwatch.leave();
      }
    };
  }

  /** Has calls of these methods be sections from now on: of one object, or of all of a class by its prototype. */
  time<T extends object>(
    object: T,
    names: readonly MethodName<T>[],
    part: Part,
    kind?: string | ((...args: never[]) => string),
    within: readonly Part[] = [],
  ): void {
    for (const name of names) {
      const method = object[name] as (this: unknown, ...args: unknown[]) => unknown;
      const told = kind as string | ((...args: unknown[]) => string) | undefined;
      object[name] = this.timed(method, part, told, within) as T[typeof name];
    }
  }
}

type MethodName<T> = { [Name in keyof T]: T[Name] extends (...args: never[]) => unknown ? Name : never }[keyof T];
