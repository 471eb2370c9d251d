/** Random sequences of file-system calls, made in a local directory, which is the model, and on mounts. */
import assert from 'node:assert/strict';
import { constants } from 'node:fs';
import fc from 'fast-check';
import { type Caller, ROOT, type Who } from './caller.js';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } =
  constants;
/** renameat2(2) */
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;

/** What there is only one of: everything that was observed is compared with it. */
type Model = Record<never, never>;

class Call implements fc.AsyncCommand<Model, Caller> {
  constructor(
    private readonly operation: string,
    private readonly who: Who,
    private readonly args: Record<string, unknown>,
  ) {}

  check(): boolean {
    return true;
  }

  async run(_: Model, caller: Caller): Promise<void> {
    const [expected, ...others] = await caller.perform(this.operation, this.who, this.args);
    for (const actual of others) assert.deepEqual(actual, expected, this.toString());
  }

  toString(): string {
    return JSON.stringify([this.operation, this.who, this.args]);
  }
}

const USERS: readonly Who[] = [
  ROOT,
  [1001, 2001, [2001], 0o022],
  [1002, 2002, [2001, 2002], 0],
  [1003, 2003, [], 0o027],
];

const name = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('a', 'b', 'c') },
  { weight: 1, arbitrary: fc.constantFrom('.', '..', '\xff\x01', 'n'.repeat(255), 'n'.repeat(256), '') },
);
const path = fc
  .tuple(fc.array(name, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '', '', '', '', '', '', '/'))
  .map(([names, end]) => names.join('/') + end);
/** None goes up, since a chain of such would leave what is compared. */
const target = fc.oneof(
  fc.array(fc.constantFrom('a', 'b', 'c', '.'), { minLength: 1, maxLength: 2 }).map((names) => names.join('/')),
  fc.constantFrom('', 'nowhere', 't'.repeat(300)),
);
const file = fc.integer({ min: 0, max: 3 });
const mode = fc.oneof(
  fc.constantFrom(0o644, 0o755, 0o777, 0o700, 0, 0o1777, 0o2775, 0o4755, 0o6711),
  fc.integer({ min: 0, max: 0o7777 }),
);
const flags = fc
  .tuple(
    fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR),
    fc.constantFrom(O_CREAT, O_CREAT, O_CREAT, 0, O_CREAT | O_EXCL),
    fc.constantFrom(0, 0, 0, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW),
  )
  // O_CREAT with O_DIRECTORY means another thing in each version of Linux.
  .map(([access, create, more]) => access | (more === O_DIRECTORY ? 0 : create) | more | O_NONBLOCK);
/** Around the ends of blocks and pages, small, and well apart, so that there are holes. */
const offset = fc.oneof(
  fc.integer({ min: 0, max: 9000 }),
  fc.constantFrom(0, 4095, 4096, 32_767, 32_768, 65_536, 131_072, 1_000_000, 3_000_000),
);
const length = fc.oneof(fc.integer({ min: 0, max: 9000 }), fc.constantFrom(1, 4096, 32_768, 70_000, 300_000));
const seed = fc.nat(1000);
/** Before 1970 too. */
const time = fc.constantFrom(0, 1, -86_400_000_000_000, 999_999_999, 123_456_789_123_456);
/** Not of neither: the kernel does not say so to the mount, which then leaves a program's privileges (docs/POSIX.md). */
const owner = fc.oneof(
  fc.record({ uid: fc.constantFrom(0, 1001, 1002), gid: fc.constantFrom(-1, 0, 2001, 2002, 2003) }),
  fc.record({ uid: fc.constant(-1), gid: fc.constantFrom(0, 2001, 2002, 2003) }),
);
const follow = fc.boolean();

const ARGUMENTS: Record<string, Record<string, fc.Arbitrary<unknown>>> = {
  open: { file, path, flags, mode },
  close: { file },
  read: { file, offset, length },
  write: { file, offset, length, seed },
  append: { file, length, seed },
  ftruncate: { file, size: offset },
  fchmod: { file, mode },
  fchown: { file, owner },
  futimes: { file, atime: time, mtime: time },
  fsync: { file },
  fstat: { file },
  flist: { file },
  mkdir: { path, mode },
  rmdir: { path },
  unlink: { path },
  mkfifo: { path, mode },
  link: { path, to: path },
  symlink: { path, target },
  readlink: { path },
  rename: { path, to: path, flags: fc.constantFrom(0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, 3) },
  chmod: { path, mode },
  chown: { path, owner, follow },
  truncate: { path, size: offset },
  utimes: { path, atime: time, mtime: time, now: fc.boolean(), follow },
  stat: { path },
  access: { path, mode: fc.integer({ min: 0, max: 7 }) },
  list: { path },
  content: { path },
};

/** What makes and fills files comes often enough that the others find some. */
const WEIGHTS: Record<string, number> = { open: 8, write: 5, append: 2, mkdir: 4, rename: 4, link: 2, read: 2 };

const who = fc.oneof({ weight: 2, arbitrary: fc.constant(ROOT) }, { weight: 3, arbitrary: fc.constantFrom(...USERS) });

const calls = Object.entries(ARGUMENTS).flatMap(([operation, args]) => {
  const call = fc.tuple(who, fc.record(args)).map(([user, values]) => new Call(operation, user, values));
  return Array.from({ length: WEIGHTS[operation] ?? 1 }, () => call);
});

let sequences = 0;

/**
 * Makes random sequences of calls until one has another outcome than in the first of the caller's roots; that sequence
 * is then made as short as it gets, and thrown. At the end of each, everything in the roots is compared.
 * @param milliseconds no sequence but the first begins after so long
 */
export async function compare(
  caller: Caller,
  limits: { sequences: number; calls: number; seed?: number; milliseconds?: number },
): Promise<void> {
  const property = fc.asyncProperty(
    fc.commands(calls, { maxCommands: limits.calls, size: 'max' }),
    async (commands) => {
      await caller.perform('begin', ROOT, { name: `sequence-${sequences++}` });
      let all: unknown[];
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: caller }), commands);
      } finally {
        all = await caller.perform('end', ROOT, {});
      }
      for (const actual of all.slice(1)) assert.deepEqual(actual, all[0], 'everything, after the files were closed');
    },
  );
  // One at a time: fast-check's own limit of time would end the first of them too, and call that a failure.
  const end = Date.now() + (limits.milliseconds ?? Number.POSITIVE_INFINITY);
  const first = limits.seed ?? Date.now() % 2 ** 31;
  for (let i = 0; i < limits.sequences && (i === 0 || Date.now() < end); i++)
    await fc.assert(property, { numRuns: 1, seed: (first + i) | 0 });
}
