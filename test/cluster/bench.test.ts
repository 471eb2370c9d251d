import { describe, expect, it } from 'vitest';
import type { BenchReport } from '../../bench/report.js';
import { CLI, must } from './harness.js';

describe('byzfs bench micro', { timeout: 120_000 }, () => {
  it('starts clusters with and without an optimization, measures both, and takes them down', async () => {
    const args = ['--only', 'no-separate-requests', '--outstanding', '1', '--operations', '16', '--runs', '2'];
    const report: BenchReport = JSON.parse(
      await must(process.execPath, [CLI, 'bench', 'micro', ...args, '--json', '-'], { timeoutMs: 110_000 }),
    );
    expect(report.targets.map(({ name, phases }) => [name, phases.map((phase) => phase.name)])).toEqual([
      ['no-separate-requests', ['4/0, 1 outstanding', '128/0, 1 outstanding']],
    ]);
    expect(Object.keys(report.ratios)).toEqual(['no-separate-requests/byzfs']);
    expect(report.ratios['no-separate-requests/byzfs']['4/0, 1 outstanding']).toBeGreaterThan(0);
    const [{ phases }] = report.targets;
    expect(phases[0].operations).toBe(16);
    expect(phases[0].runs).toHaveLength(2);
    expect(phases[0].p50Us).toBeGreaterThan(0);
  });
});
