/** Names as listxattr(2) gives them: each with a zero byte after it. */
export const terminated = (names: readonly Uint8Array[]): Buffer => Buffer.concat(names.flatMap((name) => [name, NUL]));
const NUL = Buffer.alloc(1);
