/** The clients whose keys this machine has. */
import { readdirSync } from 'node:fs';
import { checkClientKey } from '../cluster/identity.js';
import { layoutOf } from '../cluster/layout.js';
import { ADMIN } from '../cluster/registry.js';
import type { Cluster } from '../cluster/types.js';

/** Names, in order. */
export function clientsHere(directory: string): string[] {
  try {
    const files = readdirSync(layoutOf(directory).clients).filter((file) => file.endsWith('.key'));
    return files.map((file) => file.slice(0, -'.key'.length)).sort();
  } catch {
    return [];
  }
}

/** As whom replicas can be asked how they are: the administrator, or where that key is not, any client; undefined: nobody. */
export function clientToAskAs(directory: string, cluster: Cluster): string | undefined {
  const here = clientsHere(directory);
  if (here.includes(ADMIN)) return ADMIN;
  return here.find((name) => {
    try {
      checkClientKey(directory, cluster, name);
      return true;
    } catch {
      return false;
    }
  });
}
