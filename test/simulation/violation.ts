export type ViolationKind =
  | 'agreement'
  | 'validity'
  | 'exactly-once'
  | 'linearizability'
  | 'durability'
  | 'progress'
  | 'convergence'
  | 'memory'
  /** A correct replica found its own invariant broken and stopped. */
  | 'stopped';

/** Something happened that must not. */
export class Violation extends Error {
  override name = 'Violation';
  constructor(
    readonly kind: ViolationKind,
    message: string,
  ) {
    super(`${kind}: ${message}`);
  }
}
