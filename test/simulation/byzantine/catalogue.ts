import type { Random } from '../random.js';
import { type Behaviour, sometimes } from './behaviour.js';
import {
  doctoredNewView,
  forgedCertificate,
  forgedViewChange,
  lyingCheckpoints,
  lyingStatus,
  spammingViewChanges,
} from './certificates.js';
import { lyingFlushes } from './flushing.js';
import {
  badTime,
  equivocatingPrimary,
  inventingPrimary,
  namingPrimary,
  slowPrimary,
  starvingPrimary,
} from './primary.js';
import { lyingSource } from './sources.js';
import {
  flooding,
  replaying,
  selective,
  silent,
  spoiledBodies,
  staleView,
  wrongBatches,
  wrongDigest,
  wrongResult,
  yesMan,
} from './votes.js';

const CATALOGUE: readonly ((random: Random) => Behaviour)[] = [
  () => silent,
  () => yesMan(),
  () => selective(),
  () => wrongDigest,
  () => flooding,
  () => replaying(),
  () => staleView,
  () => wrongResult,
  () => wrongBatches,
  () => equivocatingPrimary(),
  () => badTime,
  () => inventingPrimary,
  (random) => slowPrimary(random.pick([100, 300, 700])),
  (random) => starvingPrimary(random.below(3)),
  () => lyingCheckpoints,
  () => lyingStatus,
  () => lyingFlushes(),
  () => forgedViewChange,
  () => forgedCertificate,
  () => doctoredNewView(),
  () => spammingViewChanges(),
  () => lyingSource,
  () => namingPrimary,
  () => spoiledBodies,
];

/** A few behaviours at once, at work now and then; the most dangerous together more often than by chance. */
export function drawBehaviours(random: Random): Behaviour[] {
  if (random.chance(0.4)) {
    const dangerous = [equivocatingPrimary(), yesMan()];
    if (random.chance(0.5)) dangerous.push(sometimes(selective(), 0.5, 1000));
    if (random.chance(0.5)) dangerous.push(forgedViewChange);
    if (random.chance(0.3)) dangerous.push(doctoredNewView());
    if (random.chance(0.3)) dangerous.push(sometimes(wrongResult, 0.5, 1000));
    return dangerous;
  }
  const count = 1 + random.below(3);
  const drawn = Array.from({ length: count }, () => random.pick(CATALOGUE)(random));
  return drawn.map((behaviour) => (random.chance(0.5) ? behaviour : sometimes(behaviour, 0.6, 3000)));
}
