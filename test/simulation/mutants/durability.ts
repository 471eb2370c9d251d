import type { Mutant } from './mutant.js';

/** Faults in what durable replies wait for. */
export const DURABILITY_MUTANTS: readonly Mutant[] = [
  {
    name: 'a durable reply before its certificate',
    file: 'src/pbft/flushing.ts',
    find: 'if (this.synced || durableAt <= this.onDisk) return outbox.reply(to, reply);',
    replace: 'if (this.synced || durableAt <= this.flushedUpTo + 1) return outbox.reply(to, reply);',
  },
  {
    name: 'a durable reply before its certificate is flushed',
    file: 'src/pbft/flushing.ts',
    find: `    this.toKeep.push({ flush: this.core.outbox.flush(), sequence });`,
    replace: `    this.onDisk = sequence;
    this.release();`,
  },
  {
    name: 'FLUSHED before flush',
    file: 'src/pbft/flushing.ts',
    find: 'if (sequence <= this.flushedUpTo) return this.say(sequence);',
    replace: 'return this.say(sequence);',
  },
  {
    name: 'a flush certificate of f+1',
    file: 'src/pbft/flushing.ts',
    find: 'const { quorum } = configuration;',
    replace: 'const quorum = configuration.weakQuorum;',
  },
  {
    name: 'flush certificates not verified',
    file: 'src/pbft/flushing.ts',
    find: 'if (!isFlushCertificate(certificate, configuration, authentication)) {',
    replace: 'if (certificate.signatures.length === 0) {',
  },
  {
    name: 'no FLUSHED retransmitted',
    file: 'src/pbft/catch-up.ts',
    find: `    this.flushing.resend(from, status.lastFlushed);
`,
    replace: '',
  },
  {
    name: 'where a call was executed is not remembered',
    file: 'src/pbft/sessions.ts',
    find: 'return { status: slot.status, result: slot.result, durableAt: slot.durableAt };',
    replace: 'return { status: slot.status, result: slot.result, durableAt: 0 };',
  },
  {
    name: 'a forgetful replica voting before its estimate',
    file: 'src/pbft/recovery.ts',
    find: `    const { core, lastView } = this;
    if (!core.recovering || lastView === undefined || this.checkpointing.stable.sequence < core.awaited) return;`,
    replace: `    const { core, lastView = -1 } = this;
    if (!core.recovering) return;`,
  },
  {
    name: 'a forgetful replica voting before a checkpoint at H_M',
    file: 'src/pbft/recovery.ts',
    find: 'this.core.awaited = Math.ceil(highest / Limits.checkpointInterval) * Limits.checkpointInterval;',
    replace: 'this.core.awaited = highest * 0;',
  },
  {
    name: "a replica's own checkpoint that is not on record means nothing",
    file: 'src/pbft/checkpointing.ts',
    find: `    this.signed = sequence;
    this.onForgotten();`,
    replace: '    this.signed = sequence;',
  },
  {
    name: 'no batches of nothing for a recovering replica',
    file: 'src/pbft/recovery.ts',
    find: '    this.normalCase.fill(awaited);',
    replace: '',
  },
  {
    name: 'attests what a state transfer brought',
    file: 'src/pbft/execution.ts',
    find: 'return sequence > this.state.installed;',
    replace: 'return true;',
    // With f = 1 a certificate leaves no correct replica that has yet to execute what another one took.
    f: 2,
  },
];
