/** Why a benchmark has no result: one line for people. */
export class BenchmarkError extends Error {
  override name = 'BenchmarkError';
}
