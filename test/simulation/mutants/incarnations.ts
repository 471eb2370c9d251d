import type { Mutant } from './mutant.js';

/** Faults in what becomes of replicas of which more than f have forgotten. */
export const INCARNATION_MUTANTS: readonly Mutant[] = [
  {
    name: 'an incarnation begins without regard to flush certificates',
    file: 'src/pbft/start.ts',
    find: 'if (each !== undefined && each.sequence > (flushed?.sequence ?? 0)) flushed = each;',
    replace: '',
  },
  {
    name: 'an incarnation begins from the lowest stable checkpoint',
    file: 'src/pbft/start.ts',
    find: 'if (certificate !== undefined && certificate.sequence > highest.base) {',
    replace: 'if (certificate !== undefined && (highest.base === 0 || certificate.sequence < highest.base)) {',
  },
  {
    name: 'CHECKPOINT before it is flushed',
    file: 'src/pbft/checkpointing.ts',
    find: 'else this.unsaid.push({ flush: outbox.flush(), message });',
    replace: `else {
      outbox.send('replicas', message);
      this.count(message);
    }`,
  },
  {
    name: 'what is beyond the start stays',
    file: 'src/pbft/resumption.ts',
    find: 'if (state.damaged || known === undefined || known.sequence !== state.lastExecuted) return false;',
    replace: 'if (!state.damaged && state.lastExecuted >= base) return true;',
  },
  {
    name: 'nobody says that it forgot',
    file: 'src/pbft/group-recovery.ts',
    find: 'if (core.recovering) this.claim();',
    replace: '',
  },
  {
    name: 'an incarnation forgotten at restart',
    file: 'src/pbft/restoration.ts',
    find: `} else if (record.kind === 'incarnation' && record.message.incarnation >= (origin?.incarnation ?? 0)) {`,
    replace: `} else if (record.kind === 'incarnation' && origin !== undefined) {`,
  },
  {
    name: 'a stable checkpoint is preferred to a later flush certificate',
    file: 'src/pbft/start.ts',
    find: 'if (flushed === undefined || flushed.sequence <= highest.base) return highest;',
    replace: 'if (flushed === undefined || highest.base > 0) return highest;',
  },
];
