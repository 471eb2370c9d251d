import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { MUTANTS } from './mutants/catalogue.js';

const root = path.resolve(import.meta.dirname, '../..');

describe('mutants', () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))('can be planted: %s', (_name, mutant) => {
    const text = readFileSync(path.join(root, mutant.file), 'utf8');
    expect(text.split(mutant.find).length - 1).toBe(1);
    expect(mutant.replace).not.toBe(mutant.find);
  });
});
