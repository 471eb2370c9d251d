import type { Database, Statement } from 'better-sqlite3';

/** A prepared query whose rows are arrays of columns: measured, half the cost of rows as objects. */
export const readStatement = <Parameters extends unknown[], Columns extends unknown[]>(
  db: Database,
  sql: string,
): Statement<Parameters, Columns> => db.prepare<Parameters, Columns>(sql).raw(true);

export function* mapped<From, To>(from: IterableIterator<From>, to: (value: From) => To): IterableIterator<To> {
  for (const value of from) yield to(value);
}
