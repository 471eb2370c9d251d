/**
 * Metrics for Prometheus. What is counted while a process works are plain numbers, wherever they belong; here they get names,
 * and are read when somebody asks.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type HistogramFigures, total } from '../histogram.js';

type Labels = Readonly<Record<string, string | number>>;

/** With labels: a value for each set of them. */
export type Values = number | Iterable<readonly [Labels, number]>;

const listed = (values: Values): Iterable<readonly [Labels, number]> =>
  typeof values === 'number' ? [[{}, values]] : values;

/** Of a process, from snapshots of what it knows: one for each time that it is asked. */
export class Metrics<Snapshot> {
  private readonly registry = new Registry();
  private current: Snapshot | undefined;

  /**
   * @param labels of all metrics
   * @param take undefined: there is nothing to be told now
   */
  constructor(
    labels: Readonly<Record<string, string>>,
    private readonly take: () => Snapshot | undefined,
  ) {
    this.registry.setDefaultLabels(labels);
    collectDefaultMetrics({ register: this.registry });
  }

  /** What may rise and fall. @param name with its unit at the end */
  gauge(name: string, help: string, read: (snapshot: Snapshot) => Values, labelNames: string[] = []): void {
    const collect = (): void => {
      gauge.reset();
      for (const [labels, value] of listed(read(this.current!))) gauge.set(labels, value);
    };
    const gauge = new Gauge({ name, help, labelNames, registers: [this.registry], collect });
  }

  /** What only rises while the process runs. @param name with its unit, and `_total` at the end */
  counter(name: string, help: string, read: (snapshot: Snapshot) => Values, labelNames: string[] = []): void {
    const collect = (): void => {
      counter.reset();
      for (const [labels, value] of listed(read(this.current!))) counter.inc(labels, value);
    };
    const counter = new Counter({ name, help, labelNames, registers: [this.registry], collect });
  }

  histogram(
    name: string,
    help: string,
    read: (snapshot: Snapshot) => HistogramFigures | Iterable<readonly [Labels, HistogramFigures]>,
  ): void {
    const get = async () => {
      const found = read(this.current!);
      const each = 'counts' in found ? [[{}, found] as const] : [...found];
      return {
        name,
        help,
        type: 'histogram',
        values: each.flatMap(([labels, figures]) => series(name, labels, figures)),
      };
    };
    // The library's own histogram has to be told of every value.
    this.registry.registerMetric({ name, get } as unknown as Gauge);
  }

  /** In the text format; undefined if there is nothing to be told now. */
  async text(): Promise<{ type: string; body: string } | undefined> {
    this.current = this.take();
    if (this.current === undefined) return undefined;
    return { type: this.registry.contentType, body: await this.registry.metrics() };
  }
}

/** Buckets hold all that is not above them. */
function series(name: string, labels: Labels, figures: HistogramFigures) {
  const { bounds, counts, sum } = figures;
  let below = 0;
  const buckets = bounds.map((le, i) => {
    below += counts[i];
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  const count = total(figures);
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
