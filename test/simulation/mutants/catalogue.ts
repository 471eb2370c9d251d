import { AGREEMENT_MUTANTS } from './agreement.js';
import { DURABILITY_MUTANTS } from './durability.js';
import { EXECUTION_MUTANTS } from './execution.js';
import { INCARNATION_MUTANTS } from './incarnations.js';
import type { Mutant } from './mutant.js';
import { VIEW_CHANGE_MUTANTS } from './views.js';

/** Every fault that `npm run simulate -- --mutants` plants, one at a time. */
export const MUTANTS: readonly Mutant[] = [
  ...AGREEMENT_MUTANTS,
  ...VIEW_CHANGE_MUTANTS,
  ...EXECUTION_MUTANTS,
  ...DURABILITY_MUTANTS,
  ...INCARNATION_MUTANTS,
];
