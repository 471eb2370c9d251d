/** From figures to pixels, and the ticks between. */

export interface Scale {
  (value: number): number;
  ticks: readonly number[];
}

export type Range = readonly [from: number, to: number];

/** Steps of 1, 2 or 5 times a power of ten, at most `count` of them, from 0 or below. */
export function linearScale(highest: number, pixels: Range, count = 5): Scale {
  const top = highest > 0 ? highest : 1;
  const rough = top / count;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((each) => each >= rough * (1 - 1e-9))!;
  const steps = Math.ceil(top / step - 1e-9);
  // Not added up: 0.1 + 0.2 is no tick.
  const ticks = Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  return Object.assign((value: number) => at(value / ticks.at(-1)!, pixels), { ticks });
}

/**
 * Logarithmic, so that a quotient is a distance. Ticks are powers of ten where there are three or more, otherwise also
 * 2 and 5 times those.
 * @param low, high above 0
 */
export function logScale(low: number, high: number, pixels: Range): Scale {
  const floor = Math.floor(Math.log10(low) + 1e-9);
  const ceiling = Math.ceil(Math.log10(high) - 1e-9);
  const fine = ceiling - floor < 3;
  const all = Array.from({ length: Math.max(1, ceiling - floor) + 1 }, (_, i) => floor + i).flatMap((power) =>
    (fine ? [1, 2, 5] : [1]).map((factor) => Number((factor * 10 ** power).toPrecision(3))),
  );
  const from = all.findLast((tick) => tick <= low * (1 + 1e-9)) ?? all[0];
  const to = all.find((tick) => tick >= high * (1 - 1e-9) && tick > from) ?? all.at(-1)!;
  const ticks = all.filter((tick) => tick >= from && tick <= to);
  const span = Math.log10(to / from);
  return Object.assign((value: number) => at(Math.log10(value / from) / span, pixels), { ticks });
}

const at = (share: number, [from, to]: Range): number => from + share * (to - from);

/** Three digits that count, and no more zeros than that needs. */
export function figure(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-GB');
  return String(Number(value.toPrecision(3)));
}

/** @param value seconds */
export function duration(value: number): string {
  if (value === 0) return '0';
  if (value >= 0.9995) return `${figure(value)} s`;
  if (value >= 0.0009995) return `${figure(value * 1e3)} ms`;
  return `${figure(value * 1e6)} µs`;
}

/** 1, 10, 1k, 1M: what an axis has room for. */
export function short(value: number): string {
  if (value >= 1e6) return `${figure(value / 1e6)}M`;
  if (value >= 1e3) return `${figure(value / 1e3)}k`;
  return figure(value);
}
