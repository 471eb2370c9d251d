/** What a lying replica says: agreement it takes part in as it should, clients it tells what is not so. */

/** Alters the end of a result: the data of a read, the change counter of everything else. Shorter ones stay as they are. */
export function altered(result: Uint8Array): Buffer {
  const copy = Buffer.from(result);
  for (let i = Math.max(0, copy.length - 64); i < copy.length; i++) copy[i] ^= 0xff;
  return copy;
}
