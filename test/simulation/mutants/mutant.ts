/** A fault planted into the protocol, which the simulator must find. */
export interface Mutant {
  name: string;
  /** From the root of the project. */
  file: string;
  /** Stands exactly once in the file … */
  find: string;
  /** … and becomes this. */
  replace: string;
  /** Where it does harm only to larger groups. Default: one. */
  f?: number;
}
