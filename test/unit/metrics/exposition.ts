/** Metrics in the text format of Prometheus, read. */

export interface Family {
  type: string;
  help: string;
  /** Label names of all samples, but those of a histogram's buckets. */
  labels: Set<string>;
  samples: { name: string; labels: Record<string, string>; value: number }[];
}

export function readExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let current: Family | undefined;
  for (const line of text.split('\n')) {
    const help = /^# HELP (\w+) (.*)$/.exec(line);
    const type = /^# TYPE (\w+) (\w+)$/.exec(line);
    const sample = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (line === '') continue;
    else if (help !== null) {
      current = { type: '', help: help[2], labels: new Set(), samples: [] };
      families.set(help[1], current);
    } else if (type !== null) current!.type = type[2];
    else if (sample !== null) {
      const pairs = [...(sample[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((pair) => [pair[1], pair[2]]);
      current!.samples.push({
        ...{ name: sample[1], labels: Object.fromEntries(pairs), value: Number(sample[3].replace('Inf', 'Infinity')) },
      });
      for (const [label] of pairs) if (label !== 'le') current!.labels.add(label);
    } else throw new Error(`not in the text format: ${line}`);
  }
  return families;
}
