/**
 * Keys, prefixes and digests inside the tree are strings of one character a byte: they compare, sort and index maps by
 * value, and cost a third of what a Buffer of 32 bytes does.
 */
export type Octets = string;

export const octets = (bytes: Uint8Array): Octets =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

export const toBytes = (text: Octets): Buffer => Buffer.from(text, 'latin1');

/** Length of what both begin with. */
export function commonLength(a: Octets, b: Octets): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
