// What is in the files that several mounts share: a value that says who wrote it, so often that it fills the file.
const numbered = (prefix, count) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

/** The files, and the values that they begin with. */
export const FIRST = Object.fromEntries(
  [...numbered('cell', 6), ...numbered('page', 4)].map((key) => [key, `first.${key}`]),
);
export const LOCKS = 3;

const CELL_BYTES = 64;
/** More than a block, and more than one write of most programs. */
const PAGE_BYTES = 70_000;

const RECORD = 32;

export function contentOf(key, value) {
  return value.padEnd(RECORD).repeat(Math.ceil((key.startsWith('page') ? PAGE_BYTES : CELL_BYTES) / RECORD));
}

/** The value that `content` is of; what is of none, as it was found. */
export function valueIn(key, content) {
  const value = content.slice(0, RECORD).trimEnd();
  return contentOf(key, value) === content
    ? value
    : `${content.length} bytes that nobody wrote: ${content.slice(0, 80)}`;
}
