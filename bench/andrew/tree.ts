/**
 * A source tree in the manner of the Andrew benchmark (Howard et al., TOCS '88 §3): some seventy C files of very
 * different sizes in a dozen directories, about 300 KB, which compile and link into one program. Made from a seed:
 * the same everywhere.
 */

import { Random } from '../random.js';
import { evaluate, type GeneratedFunction, printFunction, printTable, randomFunction, randomTable } from './program.js';

export interface SourceFile {
  /** Relative to the tree. */
  path: string;
  content: Buffer;
}

export interface SourceTree {
  /** Parents before children, without the root itself. */
  directories: string[];
  files: SourceFile[];
  /** Translation units: one run of the compiler each, and one more to link. */
  units: number;
  bytes: number;
  /** Path of the program that `make` leaves. */
  program: string;
  expectedOutput: string;
}

export const DEFAULT_SEED = 1999;

const MODULES = ['alloc', 'buffer', 'cache', 'codec', 'device', 'index', 'log', 'net', 'queue', 'table'];
const UNITS_A_MODULE = 6;
/** Comments fill a unit up to a size between these, most units being small. */
const UNIT_BYTES = { low: 1600, high: 9000 };

const WORDS =
  'the a of to and block buffer entry before after which must never always lock free list node key value reader writer page is are held by caller returns when until first last copy order state log'.split(
    ' ',
  );

interface Unit {
  module: string;
  name: string;
  entry: string;
  table: number[];
  functions: GeneratedFunction[];
}

function comment(random: Random, bytes: number): string {
  const lines: string[] = [];
  let length = 0;
  while (length < bytes) {
    let line = ' *';
    while (line.length < 70) line += ` ${random.pick(WORDS)}`;
    lines.push(line);
    length += line.length + 1;
  }
  return `/*\n${lines.join('\n')}\n */\n`;
}

function randomUnit(random: Random, module: string, index: number): Unit {
  const entry = `${module}_${index}`;
  const functions = Array.from({ length: random.between(2, 7) }, (_, i) => randomFunction(random, `${entry}_part${i}`));
  return { module, name: `${module}${index}`, entry, table: randomTable(random), functions };
}

const runUnit = (unit: Unit, x: number): number =>
  unit.functions.reduce((value, each) => evaluate(each, value, unit.table), x);

function printUnit(random: Random, unit: Unit): string {
  const calls = unit.functions.map(({ name }) => `\tx = ${name}(x);\n`).join('');
  const parts = [
    `#include "andrew.h"\n#include "${unit.module}.h"\n`,
    printTable(unit.table),
    ...unit.functions.map((each) => `static ${printFunction(each)}`),
    `uint32_t ${unit.entry}(uint32_t x)\n{\n${calls}\treturn x;\n}\n`,
  ];
  const code = parts.join('\n').length;
  // The square makes small units common and large ones rare.
  const share = (random.next() / 2 ** 32) ** 2;
  const wanted = UNIT_BYTES.low + Math.floor(share * (UNIT_BYTES.high - UNIT_BYTES.low));
  const each = Math.max(200, wanted - code) / parts.length;
  return parts.map((part) => `${comment(random, each)}${part}`).join('\n');
}

const START = 0x2545f491;

function expectedOutput(units: readonly Unit[]): string {
  let x = START;
  let text = '';
  for (const unit of units) {
    x = runUnit(unit, x);
    text += `${unit.name} ${x.toString(16).padStart(8, '0')}\n`;
  }
  return text;
}

function printMain(modules: readonly string[], units: readonly Unit[]): string {
  const includes = modules.map((module) => `#include "${module}.h"\n`).join('');
  const calls = units
    .map(({ name, entry }) => `\tx = ${entry}(x);\n\tprintf("${name} %08x\\n", (unsigned)x);\n`)
    .join('');
  return `#include <stdio.h>\n#include "andrew.h"\n${includes}\nint main(void)\n{\n\tuint32_t x = 0x${START.toString(16)}u;\n\n${calls}\treturn 0;\n}\n`;
}

const COMMON_HEADER = `#ifndef ANDREW_H
#define ANDREW_H
#include <stdint.h>

static inline uint32_t andrew_rotate(uint32_t x, int bits)
{
	return (x << bits) | (x >> (32 - bits));
}
#endif
`;

function moduleHeader(module: string, units: readonly Unit[]): string {
  const guard = `${module.toUpperCase()}_H`;
  const lines = units.filter((unit) => unit.module === module).map(({ entry }) => `uint32_t ${entry}(uint32_t x);\n`);
  return `#ifndef ${guard}\n#define ${guard}\n#include <stdint.h>\n\n${lines.join('')}#endif\n`;
}

const makefile = (objects: readonly string[]): string => `CC = cc
CFLAGS = -O1 -pipe -Iinclude
OBJECTS = ${objects.join(' \\\n\t')}

andrew: $(OBJECTS)
	$(CC) -o $@ $(OBJECTS)

%.o: %.c include/andrew.h
	$(CC) $(CFLAGS) -c -o $@ $<
`;

/** @param unitsAModule, @param modules: fewer make a smaller tree, for tests */
export function generateTree(seed = DEFAULT_SEED, unitsAModule = UNITS_A_MODULE, modules = MODULES): SourceTree {
  const random = new Random(seed);
  const units = modules.flatMap((module) =>
    Array.from({ length: unitsAModule }, (_, index) => randomUnit(random, module, index)),
  );
  const texts: [string, string][] = [
    ['include/andrew.h', COMMON_HEADER],
    ...modules.map((module): [string, string] => [`include/${module}.h`, moduleHeader(module, units)]),
    ...units.map((unit): [string, string] => [`src/${unit.module}/${unit.name}.c`, printUnit(random, unit)]),
    ['src/main.c', printMain(modules, units)],
  ];
  const objects = texts.map(([path]) => path).filter((path) => path.endsWith('.c'));
  texts.push(['Makefile', makefile(objects.map((path) => path.replace(/c$/, 'o')))]);
  const files = texts.map(([path, text]) => ({ path, content: Buffer.from(text) }));
  return {
    directories: ['include', 'src', ...modules.map((module) => `src/${module}`)],
    files,
    units: objects.length,
    bytes: files.reduce((sum, { content }) => sum + content.length, 0),
    program: 'andrew',
    expectedOutput: expectedOutput(units),
  };
}
