import type { Attack } from './attack.js';
import { CLIENT_ATTACKS } from './clients.js';
import { FORGETTING_ATTACKS } from './forgetting.js';
import { HIDDEN_COMMIT_ATTACKS } from './hidden-commit.js';
import { NEW_VIEW_ATTACKS } from './new-views.js';
import { PRIMARY_ATTACKS } from './primaries.js';
import { REPLY_ATTACKS } from './replies.js';
import { RESTART_ATTACKS } from './restarts.js';
import { TIMING_ATTACKS } from './timing.js';

export const ATTACKS: readonly Attack[] = [
  ...HIDDEN_COMMIT_ATTACKS,
  ...NEW_VIEW_ATTACKS,
  ...RESTART_ATTACKS,
  ...PRIMARY_ATTACKS,
  ...REPLY_ATTACKS,
  ...CLIENT_ATTACKS,
  ...TIMING_ATTACKS,
  ...FORGETTING_ATTACKS,
];
