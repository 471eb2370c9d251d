import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');

function sources(directory: string): string[] {
  return fs.readdirSync(path.join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(directory, entry.name);
    if (entry.isDirectory()) return entry.name === 'generated' ? [] : sources(name);
    return name.endsWith('.ts') ? [name] : [];
  });
}

interface Import {
  file: string;
  target: string;
  typeOnly: boolean;
  dynamic: boolean;
}

/** Relative imports of a file, as paths from the root; package imports keep their name. */
function imports(file: string): Import[] {
  const text = fs.readFileSync(path.join(root, file), 'utf8');
  const found: Import[] = [];
  const pattern = /(import|export)\s+(type\s)?(?:[^'";()]*?from\s+)?'([^']+)'|import\('([^']+)'\)/g;
  for (const match of text.matchAll(pattern)) {
    const name = match[3] ?? match[4];
    const target = name.startsWith('.') ? path.normalize(path.join(path.dirname(file), name)) : name;
    found.push({ file, target, typeOnly: match[2] !== undefined, dynamic: match[4] !== undefined });
  }
  return found;
}

const ROOMS = ['src', 'replica', 'fs-client', 'bench'];
const all = ROOMS.flatMap(sources).flatMap(imports);
const inside = (target: string, folder: string): boolean => target.startsWith(`${folder}/`);
const show = ({ file, target }: Import): string => `${file} -> ${target}`;

describe('imports point down', () => {
  it('finds the imports it is to judge', () => {
    expect(all.length).toBeGreaterThan(200);
  });

  it('replica, fs-client and bench import from src and never from each other', () => {
    const rooms = ['replica', 'fs-client', 'bench'];
    const wrong = all.filter(({ file, target }) =>
      rooms.some((room) => inside(file, room) && rooms.some((other) => other !== room && inside(target, other))),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it('only src/cli reaches up into the rooms, and only by import()', () => {
    const up = all.filter(
      ({ file, target }) => inside(file, 'src') && ROOMS.slice(1).some((room) => inside(target, room)),
    );
    const wrong = up.filter(({ file, dynamic, typeOnly }) => !inside(file, 'src/cli') || !(dynamic || typeOnly));
    expect(wrong.map(show)).toEqual([]);
  });

  it('nothing but src/cli imports src/cli', () => {
    const wrong = all.filter(({ file, target }) => inside(target, 'src/cli') && !inside(file, 'src/cli'));
    expect(wrong.map(show)).toEqual([]);
  });

  it('src/pbft imports its own files, limits and histograms, and types of src/crypto: nothing that does I/O', () => {
    const wrong = all.filter(
      ({ file, target, typeOnly }) =>
        inside(file, 'src/pbft') &&
        !inside(target, 'src/pbft') &&
        target !== 'src/limits.js' &&
        target !== 'src/histogram.js' &&
        !(typeOnly && inside(target, 'src/crypto')),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it('src/pbft awaits nothing, and has neither clock nor chance of its own', () => {
    const forbidden =
      /\bawait\b|\basync\b|Date\.now|performance\.|Math\.random|setTimeout|setInterval|setImmediate|process\./;
    const wrong = sources('src/pbft').filter((file) => forbidden.test(fs.readFileSync(path.join(root, file), 'utf8')));
    expect(wrong).toEqual([]);
  });

  it('src/fileservice imports nothing but the canonical bytes', () => {
    const wrong = all.filter(
      ({ file, target }) =>
        inside(file, 'src/fileservice') && !inside(target, 'src/fileservice') && target !== 'src/bytes.js',
    );
    expect(wrong.map(show)).toEqual([]);
  });
});
