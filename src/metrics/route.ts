import type { Document, Refusal, Route } from '../http/server.js';
import type { Metrics } from './metrics.js';

/** A scrape costs milliseconds: who asks again within that time gets the same. */
const KEPT_MS = 500;

/** Metrics over HTTP. */
export function metricsRoute<Snapshot>(metrics: Metrics<Snapshot>): Route {
  let kept: { at: number; answer: Promise<Document | Refusal> } | undefined;
  const answer = async (): Promise<Document | Refusal> =>
    (await metrics.text()) ?? { refused: 503, why: 'the process is being started' };
  return () => {
    const now = performance.now();
    if (kept === undefined || now - kept.at > KEPT_MS) kept = { at: now, answer: answer() };
    return kept.answer;
  };
}
