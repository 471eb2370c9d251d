/** Keys of rows that belong to sessions. */
import type { Octets } from '../../../src/merkle/index.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { clientKey, integerAt } from '../row-keys.js';

/** `client/instance`, and where a third number belongs to the key `client/instance/number`. */
export const sessionKey = (id: SessionId): string => `${id.client}/${id.instance}`;
export const subKey = (id: SessionId, number: number): string => `${id.client}/${id.instance}/${number}`;
export const parts = (key: string): number[] => key.split('/').map(Number);
export const treeKeyOf = (table: number, key: string): Octets => {
  const [client, instance, number] = parts(key);
  return clientKey(table, client, instance, number);
};
export const sessionAt = (key: Octets): number[] => [integerAt(key, 1, 4), integerAt(key, 5, 8)];
export const inSessionAt = (key: Octets): number[] => [...sessionAt(key), integerAt(key, 13, 8)];
