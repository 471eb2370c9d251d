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
  /** CPU time at its begin, of a section that goes by it. */
  cpu: number | undefined;
}

const cpuOfProcess = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

export interface SectionOptions {
  within?: readonly Part[];
  wakes?: boolean;
}

/**
 * Measures synchronous sections, each without those within it: hashing that agreement asks for is hashing. Times are
 * by the clock, and include what else the machine did meanwhile; but where a system call wakes another process, which then
 * often takes the processor, no more counts than this process computed. Measured: without that, writing to sockets seemed
 * to be twice what it is. The clock is read in a tenth of a microsecond, CPU time in more than one.
 */
export class Stopwatch {
  private readonly byKind = new Map<string, Times>();
  private readonly sections: Section[] = [];
  private since = 0;
  /** Milliseconds that sections lasted without this process computing, and that are not in their times. */
  lostMs = 0;

  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly cpu: () => number = cpuOfProcess,
  ) {}

  /**
   * @param kind of operation; default: that of the section around it
   * @param wakes others, or waits: what it lasts is not what it takes
   */
  enter(part: Part, kind?: string, wakes = false): void {
    const now = this.now();
    const outer = this.sections.at(-1);
    if (outer !== undefined) outer.self += now - this.since;
    const cpu = wakes ? this.cpu() : undefined;
    this.sections.push({ part, kind: kind ?? outer?.kind ?? SHARED, self: 0, cpu });
    this.since = now;
  }

  /** Ends the section entered last. @returns what it took itself, milliseconds */
  leave(): number {
    const { part, kind, self, cpu } = this.sections.pop()!;
    const now = this.now();
    const lasted = self + now - this.since;
    const took = cpu === undefined ? lasted : Math.min(lasted, this.cpu() - cpu);
    this.lostMs += lasted - took;
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
   * @param options within: in sections of these parts it is no section of its own; wakes: as of `enter`
   */
  timed<This, Arguments extends unknown[], Result>(
    action: (this: This, ...args: Arguments) => Result,
    part: Part,
    kind?: string | ((...args: Arguments) => string),
    { within = [], wakes = false }: SectionOptions = {},
  ): (this: This, ...args: Arguments) => Result {
    const stopwatch = this;
    return function (this: This, ...args: Arguments): Result {
      const { current } = stopwatch;
      if (current !== undefined && within.includes(current)) return action.apply(this, args);
      stopwatch.enter(part, typeof kind === 'function' ? kind(...args) : kind, wakes);
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
    options: SectionOptions = {},
  ): void {
    for (const name of names) {
      const method = object[name] as (this: unknown, ...args: unknown[]) => unknown;
      const told = kind as string | ((...args: unknown[]) => string) | undefined;
      object[name] = this.timed(method, part, told, options) as T[typeof name];
    }
  }
}

type MethodName<T> = { [Name in keyof T]: T[Name] extends (...args: never[]) => unknown ? Name : never }[keyof T];
