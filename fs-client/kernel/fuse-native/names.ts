/**
 * Names between the package and the service. The package has every path and name as text, decoded from UTF-8 with
 * U+FFFD in place of what does not decode; the service has bytes. A name that text cannot tell apart from another is
 * refused with EILSEQ, in whichever direction it goes: never changed, and never left out of a listing.
 */

/** Illegal byte sequence (asm-generic/errno.h): only ever told to the kernel here, so none of the service's. */
export const EILSEQ = 84;

/** What stands for bytes that are no UTF-8; also a character of its own, which cannot be told from that. */
const REPLACEMENT = '\uFFFD';

export const isExpressible = (text: string): boolean => !text.includes(REPLACEMENT);

/** A name or target of the package's as the service's latin1 string, one character a byte. */
export const toLatin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** Bytes of the service's as text; undefined if the package could not say them. */
export function fromBytes(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return isExpressible(text) ? text : undefined;
}

/** The names that lead from the root to a path; libfuse's are absolute, without `.`, `..` and empty ones. */
export const componentsOf = (path: string): string[] => (path === '/' ? [] : path.slice(1).split('/').map(toLatin1));
