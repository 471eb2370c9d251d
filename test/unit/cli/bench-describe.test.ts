import { describe, expect, it } from 'vitest';
import { describe as described } from '../../../src/cli/bench/describe.js';
import { REPORTS } from '../bench/reports.js';

describe('what a benchmark found, at a terminal', () => {
  // As benchmarks of file systems report it: all pairs of targets.
  const complete = REPORTS.map((report) => {
    if (['micro', 'faults', 'scale'].includes(report.bench)) return report;
    const quotients = Object.fromEntries([...report.targets[0].phases.map(({ name }) => [name, 2.5]), ['total', 3]]);
    return { ...report, ratios: { 'byzfs/local': quotients, 'byzfs-f0/local': quotients } };
  });

  it.each(complete.map((report) => [report.bench, report] as const))('%s', (_, report) => {
    const text = described(report);
    expect(text).not.toMatch(/undefined|NaN|\[object/);
    for (const { name } of report.targets) expect(text).toContain(name);
    for (const { events } of report.timelines ?? []) for (const { name } of events) expect(text).toContain(name);
    for (const { axis, skipped } of report.curves ?? []) expect(text).toContain(skipped ?? axis);
  });

  it('has the ratios of the first target only, in seconds, and with each target what its figures depend on', () => {
    const text = described(complete.find(({ bench }) => bench === 'small')!);
    expect(text).toContain('byzfs/local');
    expect(text).not.toContain('byzfs-f0/local');
    expect(text).toContain('2.50x');
    expect(text).toContain('gluster: fuse.gluster (rw); close: somewhere; fsync: on stable storage\n');
  });
});
