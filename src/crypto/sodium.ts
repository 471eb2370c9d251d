import { createRequire } from 'node:module';

/** @returns what is used of sodium-native; undefined on machines for which the package has no binary */
export function loadSodium<Used>(): Used | undefined {
  try {
    return createRequire(import.meta.url)('sodium-native') as Used;
  } catch {
    return undefined;
  }
}
