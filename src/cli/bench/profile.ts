/** Where the time goes, for people at a terminal. */
import type { BenchReport } from '../../../bench/report.js';
import { table } from '../table.js';

/** Nothing if nothing was profiled. */
export async function describeProfiles({ targets }: BenchReport): Promise<string> {
  if (targets.every(({ profile }) => profile === undefined)) return '';
  const { hasMount, profileTables } = await import('../../../bench/profile/tables.js');
  return targets
    .flatMap((target) =>
      target.profile === undefined
        ? []
        : profileTables(target.profile, hasMount(target)).map(
            ({ caption, header, rows }) => `\n${target.name}: ${caption}\n${table(header, rows)}`,
          ),
    )
    .join('');
}
