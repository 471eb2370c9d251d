import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readExposition } from './exposition.js';
import { mountExposition, replicaExposition } from './figures.js';

const directory = path.resolve(import.meta.dirname, '../../../docs/monitoring');
const alertsFile = path.join(directory, 'byzfs-alerts.yml');
const promtool = ['/usr/bin/promtool', '/usr/local/bin/promtool'].find(fs.existsSync);
const withoutPromtool = promtool === undefined ? ' (skipped: no promtool, Debian package prometheus)' : '';

/** Of PromQL: what stands where a metric or a label may, and is none. */
const WORDS = new Set(
  (
    'and or unless by on ignoring without group_left group_right bool offset sum max min count avg group scalar vector time ' +
    'rate increase histogram_quantile quantile label_values'
  ).split(' '),
);

interface Used {
  metrics: string[];
  /** Of matchers. */
  labels: { metric: string; label: string }[];
  /** Of `by (…)`, `on (…)`. */
  grouped: string[];
}

function usedIn(expression: string): Used {
  const bare = expression.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  const labels = [...bare.matchAll(/([a-z_]\w*)\{([^}]*)\}/g)].flatMap(([, metric, matchers]) =>
    [...matchers.matchAll(/([a-z_]\w*)\s*(?:=|!=|=~|!~)""/g)].map(([, label]) => ({ metric, label })),
  );
  const lists = /\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)/g;
  const grouped = [...bare.matchAll(lists)].flatMap(([, list]) => list.split(',').map((each) => each.trim()));
  const rest = bare
    .replace(lists, '')
    .replace(/\{[^}]*\}/g, '')
    .replace(/\[\w+\]/g, '');
  const metrics = [...rest.matchAll(/[a-z_]\w*/gi)].map(([word]) => word).filter((word) => !WORDS.has(word));
  return { metrics, labels, grouped: grouped.filter((each) => each !== '') };
}

interface Rule {
  alert: string;
  expr: string;
  severity: string;
  texts: string[];
}

/** Of YAML, what the rules are written in. */
function readRules(text: string): Rule[] {
  const rules: Rule[] = [];
  const lines = text.split('\n');
  const unquoted = (value: string): string => value.replace(/^'(.*)'$/, '$1').replaceAll("''", "'");
  for (let i = 0; i < lines.length; i++) {
    const [, dash, key, value] = /^\s*(- )?(\w+): ?(.*)$/.exec(lines[i]) ?? [];
    if (
      lines[i] === '' ||
      lines[i].startsWith('#') ||
      ['groups', 'name', 'rules', 'labels', 'annotations', 'for'].includes(key)
    ) {
      continue;
    }
    if (dash !== undefined && key === 'alert') rules.push({ alert: value, expr: '', severity: '', texts: [] });
    const rule = rules.at(-1)!;
    if (key === 'expr' && value === '|') {
      while (/^ {10}/.test(lines[i + 1])) rule.expr += `${lines[++i].trim()} `;
    } else if (key === 'expr') rule.expr = unquoted(value);
    else if (key === 'severity') rule.severity = value;
    else if (key === 'summary' || key === 'description') rule.texts.push(unquoted(value));
    else if (key !== 'alert') throw new Error(`line ${i + 1} is not understood: ${lines[i]}`);
  }
  return rules;
}

interface Panel {
  title: string;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; legendFormat: string }[];
}

describe('dashboard and alert rules', async () => {
  const replica = readExposition(await replicaExposition());
  const mount = readExposition(await mountExposition());
  /** Label names by metric: of histograms, by each of their series. */
  const known = new Map<string, Set<string>>();
  for (const [name, { type, labels }] of [...replica, ...mount]) {
    const all = new Set([...labels, ...(known.get(name) ?? [])]);
    if (type !== 'histogram') known.set(name, all);
    else {
      for (const series of ['sum', 'count']) known.set(`${name}_${series}`, all);
      known.set(`${name}_bucket`, new Set([...all, 'le']));
    }
  }

  function check(expression: string, where: string): void {
    const { metrics, labels, grouped } = usedIn(expression);
    expect(metrics.length, where).toBeGreaterThan(0);
    for (const metric of metrics) expect([...known.keys()], where).toContain(metric);
    for (const { metric, label } of labels) expect([...known.get(metric)!], `${where}: ${metric}`).toContain(label);
    for (const label of grouped) {
      expect(
        metrics.some((metric) => known.get(metric)!.has(label)),
        `${where}: by ${label}`,
      ).toBe(true);
    }
  }

  const dashboard = JSON.parse(fs.readFileSync(path.join(directory, 'byzfs-dashboard.json'), 'utf8')) as {
    panels: Panel[];
    templating: { list: { name: string; query: string }[] };
  };
  const rules = readRules(fs.readFileSync(alertsFile, 'utf8'));
  const expressions = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...rules.map(({ expr }) => expr),
  ];

  it('can tell what is used from what is not there', () => {
    expect(() => check('byzfs_gone_total', 'x')).toThrow();
    expect(() => check('byzfs_view{gone="1"}', 'x')).toThrow();
    expect(() => check('sum by (gone) (byzfs_view)', 'x')).toThrow();
    expect(usedIn('sum by (a, le) (rate(b_bucket{c=~"x{}"}[5m])) > on (d) group_left () e')).toEqual({
      metrics: ['b_bucket', 'e'],
      labels: [{ metric: 'b_bucket', label: 'c' }],
      grouped: ['a', 'le', 'd'],
    });
  });

  it('the dashboard uses metrics and labels that there are', () => {
    expect(expressions.length).toBeGreaterThan(50);
    for (const { title, targets = [] } of dashboard.panels) {
      for (const { expr, legendFormat } of targets) {
        check(expr.replaceAll('$cluster', 'c'), title);
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          const { metrics } = usedIn(expr);
          expect(
            metrics.some((metric) => known.get(metric)!.has(label)),
            `${title}: ${label}`,
          ).toBe(true);
        }
      }
    }
    for (const { name, query } of dashboard.templating.list)
      if (name === 'cluster') check(query.replace(/, \w+\)/, ')'), name);
  });

  it('the dashboard leaves out nothing that is counted', () => {
    const all = expressions.join(' ');
    const series = (name: string, type: string): string[] =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
    const missing = [...replica, ...mount].filter(
      ([name, { type }]) =>
        name.startsWith('byzfs_') && !series(name, type).some((each) => new RegExp(`\\b${each}\\b`).test(all)),
    );
    // What is told in another way beside.
    const left = [
      'byzfs_batches_total',
      'byzfs_link_bytes_total',
      'byzfs_mount_link_bytes_total',
      'byzfs_mount_incarnation',
    ];
    const rare = [
      'byzfs_transfers_total',
      'byzfs_transfer_rows_total',
      'byzfs_transfer_active',
      'byzfs_scrub_passes_total',
    ];
    expect(missing.map(([name]) => name).sort()).toEqual([...left, ...rare].sort());
  });

  it('no two panels of the dashboard are in one place', () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  it('the rules use metrics and labels that there are, and say what is the matter', () => {
    expect(rules.length).toBeGreaterThan(10);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, expr, severity, texts } of rules) {
      check(expr, alert);
      expect(severity, alert).toMatch(/^(page|ticket)$/);
      expect(texts, alert).toHaveLength(2);
      for (const [, label] of texts.join(' ').matchAll(/\$labels\.(\w+)/g)) {
        const { metrics } = usedIn(expr);
        expect(
          metrics.some((metric) => known.get(metric)!.has(label)),
          `${alert}: ${label}`,
        ).toBe(true);
      }
    }
  });

  it.skipIf(promtool === undefined)(`the rules pass promtool${withoutPromtool}`, () => {
    expect(execFileSync(promtool!, ['check', 'rules', alertsFile], { encoding: 'utf8' })).toMatch(
      /SUCCESS: \d+ rules found/,
    );
  });

  it.skipIf(promtool === undefined)(`the metrics pass promtool${withoutPromtool}`, async () => {
    for (const text of [await replicaExposition(), await mountExposition()]) {
      // Those of the library are named as it names them.
      const input = text.replace(/^(# (HELP|TYPE) )?(process|nodejs)_.*\n/gm, '');
      execFileSync(promtool!, ['check', 'metrics'], { input, stdio: ['pipe', 'pipe', 'pipe'] });
    }
  });
});
