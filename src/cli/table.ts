/** Columns of text, padded: numbers to the right, anything else to the left. */
const NUMERIC = /^(-|[\d.,]+(×|x| ms| s| µs)?)$/;

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const right = header.map((_, i) => rows.length > 0 && rows.every((row) => NUMERIC.test(row[i])));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return `${[header, ...rows].map(line).join('\n')}\n`;
}
