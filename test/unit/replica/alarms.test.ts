import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Alarms } from '../../../replica/alarms.js';

function alarms() {
  const lines: { level: string; msg: string }[] = [];
  const log = pino(
    { formatters: { level: (level) => ({ level }) } },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const watching = new Alarms(1, log);
  return {
    look: (suspicions: { replica: number; why: string }[], linked: number, now: number): string[] => {
      watching.look({ suspicions }, linked, now);
      return lines.splice(0).map(({ level, msg }) => `${level}: ${msg}`);
    },
  };
}

describe('what the log says of other replicas', () => {
  it('names who lies, once for each lie, as something to look at', () => {
    const { look } = alarms();
    const [two, other] = ['two pre-prepares for one number', 'invalid view-change'];
    expect(look([{ replica: 3, why: two }], 3, 0)).toEqual([`warn: replica 3 seems faulty: ${two}`]);
    expect(look([{ replica: 3, why: two }], 3, 1)).toEqual([]);
    expect(look([], 3, 2)).toEqual([]);
    expect(look([{ replica: 3, why: other }], 3, 3)).toEqual([`warn: replica 3 seems faulty: ${other}`]);
    expect(look([{ replica: 3, why: two }], 3, 4)).toEqual([]);
    expect(look([{ replica: 2, why: two }], 3, 5)).toEqual([`warn: replica 2 seems faulty: ${two}`]);
  });

  it('calls for somebody when there is no quorum for long, and says when there is one again', () => {
    const { look } = alarms();
    expect(look([], 0, 0)).toEqual([]);
    expect(look([], 2, 9_000)).toEqual([]);
    expect(look([], 1, 10_000)).toEqual([]);
    expect(look([], 1, 19_999)).toEqual([]);
    const lost = 'error: no quorum: too few other replicas are linked, and no call is answered';
    expect(look([], 1, 20_000)).toEqual([lost]);
    expect(look([], 0, 90_000)).toEqual([]);
    expect(look([], 2, 91_000)).toEqual(['info: enough replicas for a quorum are linked again']);
    expect(look([], 2, 92_000)).toEqual([]);
  });
});
