/** What a benchmark found, for people at a terminal. */
import type { BenchReport, PhaseReport } from '../../../bench/report.js';
import { table } from '../table.js';

export function describe(report: BenchReport): string {
  switch (report.bench) {
    case 'micro':
      return describeMicro(report);
    case 'faults':
      return describeFaults(report);
    case 'scale':
      return describeScale(report);
    default:
      return describeMounted(report);
  }
}

const megabytesPerSecond = ({ bytes, seconds }: PhaseReport): string => `${(bytes! / seconds / 1e6).toFixed(0)} MB/s`;

/** Phases down, targets and ratios across. */
function describeMounted({ bench, parameters, targets, ratios: all }: BenchReport): string {
  // Of many targets all pairs would be too many for a line: those of the first one, the rest is in the file.
  const ratios = Object.fromEntries(Object.entries(all).filter(([pair]) => pair.startsWith(`${targets[0].name}/`)));
  const phases = targets[0].phases.map(({ name }) => name);
  const figure = (phase: PhaseReport): string => {
    if (bench === 'sequential' && phase.bytes !== undefined) return megabytesPerSecond(phase);
    if (bench === 'andrew' || bench === 'sequential') return `${phase.seconds.toFixed(3)} s`;
    return `${Math.round(phase.opsPerSecond!)} /s`;
  };
  const rows = phases.map((name) => [
    name,
    ...targets.map((target) => figure(target.phases.find((phase) => phase.name === name)!)),
    ...Object.values(ratios).map((quotients) => `${quotients[name].toFixed(2)}x`),
  ]);
  if (bench === 'andrew') {
    const times = Object.values(ratios).map((quotients) => `${quotients.total.toFixed(2)}x`);
    rows.push(['total', ...targets.map(({ totalSeconds }) => `${totalSeconds.toFixed(3)} s`), ...times]);
  }
  const header = ['phase', ...targets.map(({ name }) => name), ...Object.keys(ratios)];
  const settings = targets.map(({ name, settings }) => `${name}: ${settingsOf(settings ?? { fsync: '?' })}\n`);
  const what = `${bench}, ${subject({ bench, parameters })}; medians of ${parameters.runs} runs; ratios are of seconds`;
  return `${what}\n${table(header, rows)}${settings.join('')}caches: ${parameters.caches}\n`;
}

function subject({ bench, parameters }: Pick<BenchReport, 'bench' | 'parameters'>): string {
  const { copies, filesPerCopy, bytesPerCopy, files, transactions, bytes, callBytes } = parameters;
  switch (bench) {
    case 'andrew':
      return `${copies} copies of ${filesPerCopy} files, ${Math.round(Number(bytesPerCopy) / 1000)} kB`;
    case 'postmark':
      return `${files} files, ${transactions} transactions`;
    case 'small':
      return `${files} files of ${bytes} bytes`;
    default:
      return `${Number(bytes) / 2 ** 20} MiB in calls of ${Number(callBytes) / 1024} KiB`;
  }
}

function settingsOf(settings: NonNullable<BenchReport['targets'][number]['settings']>): string {
  const { replicas, durability, requestAuthentication, cacheProfile, fsync, fileSystem } = settings;
  const parts = [
    ...(replicas === undefined ? [] : [`${replicas} replica${replicas > 1 ? 's' : ''}`]),
    ...(durability === undefined ? [] : [`durability ${durability}`]),
    ...(requestAuthentication === undefined ? [] : [`requests by ${requestAuthentication}`]),
    ...(cacheProfile === undefined ? [] : [`profile ${cacheProfile}`]),
    ...(fileSystem === undefined ? [] : [fileSystem]),
    fsync,
  ];
  return parts.join('; ');
}

function describeMicro({ parameters, targets, ratios }: BenchReport): string {
  const labels = [...new Set(targets.flatMap(({ phases }) => phases.map(({ name }) => name)))];
  const rows = labels.flatMap((label) =>
    targets.flatMap((target) => {
      const phase = target.phases.find(({ name }) => name === label);
      if (phase === undefined) return [];
      const { opsPerSecond, p50Us, p99Us } = phase;
      return [
        [label, target.name, String(opsPerSecond), `${p50Us} µs`, `${p99Us} µs`, timesOfDefault(target.name, label)],
      ];
    }),
  );
  const header = ['operation', 'target', 'op/s', 'p50', 'p99', 'time of this/byzfs'];
  const what = `micro, ${parameters.operations} operations a run; medians of ${parameters.runs} runs; argument/result in KiB`;
  return `${what}\n${table(header, rows)}`;

  function timesOfDefault(name: string, label: string): string {
    const inverse = ratios[`byzfs/${name}`]?.[label];
    const ratio = ratios[`${name}/byzfs`]?.[label] ?? (inverse === undefined ? undefined : 1 / inverse);
    return ratio === undefined ? '-' : `${ratio.toFixed(2)}x`;
  }
}

function describeFaults({ timelines = [] }: BenchReport): string {
  return timelines
    .map(({ name, events }) => {
      const rows = events.map((event) => [
        `${(event.atMs / 1000).toFixed(1)} s`,
        event.name,
        `${event.longestGapMs.toFixed(0)} ms`,
      ]);
      return `${name}\n${table(['at', 'event', 'resumes within'], rows)}`;
    })
    .join('\n');
}

function describeScale({ curves = [] }: BenchReport): string {
  return curves
    .map(({ axis, xLabel, yLabel, series, skipped }) => {
      const left = skipped === undefined ? '' : `${axis}: ${skipped}\n`;
      const xs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
      if (xs.length === 0) return left;
      const rows = xs.map((x) => [
        String(x),
        ...series.map(({ points }) => String(points.find((point) => point[0] === x)?.[1] ?? '-')),
      ]);
      return `${axis}: ${yLabel}\n${table([xLabel, ...series.map(({ name }) => name)], rows)}${left}`;
    })
    .join('\n');
}
