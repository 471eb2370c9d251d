/**
 * The C functions that the benchmark compiles, as steps that can be printed as C and also be computed here: so the
 * program's right output is known without a compiler.
 */
import type { Random } from '../random.js';

/** One step on a 32-bit unsigned `x`. */
type Step =
  | { kind: 'add' | 'xor' | 'multiply'; constant: number }
  | { kind: 'rotate'; bits: number }
  | { kind: 'lookup'; shift: number }
  | { kind: 'branch'; mask: number; ifSet: number; ifClear: number }
  | { kind: 'loop'; times: number; constant: number };

export interface GeneratedFunction {
  name: string;
  steps: Step[];
}

/** Entries of the table that each file has: a power of two. */
const TABLE_ENTRIES = 64;

export const randomTable = (random: Random): number[] => Array.from({ length: TABLE_ENTRIES }, () => random.next());

function randomStep(random: Random): Step {
  switch (random.between(0, 6)) {
    case 0:
      return { kind: 'add', constant: random.next() };
    case 1:
      return { kind: 'xor', constant: random.next() };
    case 2:
      return { kind: 'multiply', constant: (random.next() | 1) >>> 0 };
    case 3:
      return { kind: 'rotate', bits: random.between(1, 31) };
    case 4:
      return { kind: 'lookup', shift: random.between(0, 26) };
    case 5:
      return {
        kind: 'branch',
        mask: (1 << random.between(0, 30)) >>> 0,
        ifSet: random.next(),
        ifClear: random.next(),
      };
    default:
      return { kind: 'loop', times: random.between(2, 9), constant: random.next() };
  }
}

export function randomFunction(random: Random, name: string): GeneratedFunction {
  return { name, steps: Array.from({ length: random.between(6, 18) }, () => randomStep(random)) };
}

const rotate = (x: number, bits: number): number => ((x << bits) | (x >>> (32 - bits))) >>> 0;

function applyStep(step: Step, x: number, table: readonly number[]): number {
  switch (step.kind) {
    case 'add':
      return (x + step.constant) >>> 0;
    case 'xor':
      return (x ^ step.constant) >>> 0;
    case 'multiply':
      return Math.imul(x, step.constant) >>> 0;
    case 'rotate':
      return rotate(x, step.bits);
    case 'lookup':
      return (x + table[(x >>> step.shift) % TABLE_ENTRIES]) >>> 0;
    case 'branch':
      return (x & step.mask) !== 0 ? (x + step.ifSet) >>> 0 : (x ^ step.ifClear) >>> 0;
    case 'loop':
      for (let i = 0; i < step.times; i++) x = rotate((x ^ step.constant) >>> 0, 5) + i;
      return x >>> 0;
  }
}

export function evaluate({ steps }: GeneratedFunction, x: number, table: readonly number[]): number {
  for (const step of steps) x = applyStep(step, x, table);
  return x;
}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}u`;

function printStep(step: Step): string {
  switch (step.kind) {
    case 'add':
      return `x += ${hex(step.constant)};`;
    case 'xor':
      return `x ^= ${hex(step.constant)};`;
    case 'multiply':
      return `x *= ${hex(step.constant)};`;
    case 'rotate':
      return `x = andrew_rotate(x, ${step.bits});`;
    case 'lookup':
      return `x += table[(x >> ${step.shift}) % ${TABLE_ENTRIES}];`;
    case 'branch':
      return `if (x & ${hex(step.mask)})\n\t\tx += ${hex(step.ifSet)};\n\telse\n\t\tx ^= ${hex(step.ifClear)};`;
    case 'loop':
      return `for (i = 0; i < ${step.times}; i++)\n\t\tx = andrew_rotate(x ^ ${hex(step.constant)}, 5) + i;`;
  }
}

export function printFunction({ name, steps }: GeneratedFunction): string {
  const counter = steps.some(({ kind }) => kind === 'loop') ? '\tuint32_t i;\n\n' : '';
  return `uint32_t ${name}(uint32_t x)\n{\n${counter}${steps.map((step) => `\t${printStep(step)}\n`).join('')}\treturn x;\n}\n`;
}

export function printTable(table: readonly number[]): string {
  const lines: string[] = [];
  for (let i = 0; i < table.length; i += 5)
    lines.push(
      `\t${table
        .slice(i, i + 5)
        .map(hex)
        .join(', ')},`,
    );
  return `static const uint32_t table[${table.length}] = {\n${lines.join('\n')}\n};\n`;
}
