import type { Mutant } from './mutant.js';

/** Faults in execution, sessions, replies, and in what survives a restart. */
export const EXECUTION_MUTANTS: readonly Mutant[] = [
  {
    name: 'a primary forgets at restart what it proposed',
    file: 'src/pbft/restoration.ts',
    find: 'for (const { sequence, view } of core.log.inOrder()) if (view >= 0) normalCase.taken(sequence);',
    replace: 'for (const entry of core.log.inOrder()) if (entry.view >= 0) entry.digest = undefined;',
  },
  {
    name: 'no persist before send',
    file: 'src/pbft/ready.ts',
    find: 'this.ready.persist.push(record);',
    replace: 'this.ready.notes.push(record);',
  },
  {
    name: 'journal not replayed',
    file: 'src/pbft/restoration.ts',
    find: `else if ('sequence' in record && !this.restoreVote(record)) beyond.push(record);`,
    replace: '',
  },
  {
    name: 'view-change forgotten at restart',
    file: 'src/pbft/restoration.ts',
    find: 'if (isOf(record.message.view)) viewChanges.restoreViewChange(record.message);',
    replace: '',
  },
  {
    name: 'reply cache dropped at restart',
    file: 'src/pbft/sessions.ts',
    find: `    private readonly service: Service,
  ) {}`,
    replace: `    private readonly service: Service,
  ) {
    const rows = new Map<string, SlotRow>();
    const key = (id: SessionId, slot: number): string => \`\${id.client}/\${id.instance}/\${slot}\`;
    const inMemory = {
      slot: (id: SessionId, slot: number) => rows.get(key(id, slot)),
      putSlot: (id: SessionId, row: SlotRow) => void rows.set(key(id, row.slot), row),
    };
    this.store = Object.assign(Object.create(store), inMemory) as SessionStore;
    for (const method of ['standing', 'endedInstance', 'setEndedInstance', 'sessions', 'session', 'putSession', 'deleteSession']) {
      Object.assign(this.store, { [method]: (...values: unknown[]) => (store as unknown as Record<string, (...v: unknown[]) => unknown>)[method](...values) });
    }
  }`,
  },
  {
    name: 'repeated calls executed again',
    file: 'src/pbft/sessions.ts',
    find: 'if (call.sequence !== (slot?.sequence ?? 0) + 1) return repeated(slot, call, request.digest);',
    replace: 'if (call.sequence < (slot?.sequence ?? 0)) return repeated(slot, call, request.digest);',
  },
  {
    // Only to answer such a request from the cache, without executing it, would deceive nobody but the client at fault.
    name: 'slots may be reused for other requests',
    file: 'src/pbft/sessions.ts',
    find: 'if (call.sequence !== (slot?.sequence ?? 0) + 1) return repeated(slot, call, request.digest);',
    replace: `const reused = slot?.sequence === call.sequence && !sameDigest(slot.requestDigest, request.digest);
    if (call.sequence !== (slot?.sequence ?? 0) + 1 && !reused) return repeated(slot, call, request.digest);`,
  },
  {
    name: 'rollback skipped',
    file: 'src/pbft/execution.ts',
    find: `    this.state.rollbackBatch();
    this.tentative = undefined;`,
    replace: `    this.state.commitBatch();
    this.tentative = undefined;`,
  },
  {
    name: 'tentative replies said to be final',
    file: 'src/pbft/execution.ts',
    find: 'tentative: this.tentative !== undefined,',
    replace: 'tentative: false,',
  },
  {
    name: 'replies from the cache said to be final',
    file: 'src/pbft/execution.ts',
    find: 'else this.hold(request, reply, outcome.durableAt);',
    replace: 'else this.flushing.reply(request.session, { ...reply, tentative: false }, outcome.durableAt);',
  },
  {
    name: 'f+1 accepted for tentative replies',
    file: 'src/pbft/reply-votes.ts',
    find: 'if (weight(candidate) < quorum) continue;',
    replace: `const isTentative = [...candidate.voters.values()].some((view) => view !== COMMITTED);
      if (weight(candidate) < (isTentative ? (quorum + 1) / 2 : quorum)) continue;`,
  },
  {
    name: 'f+1 accepted for all replies',
    file: 'src/pbft/reply-votes.ts',
    find: 'if (weight(candidate) < quorum) continue;',
    replace: 'if (weight(candidate) < (quorum + 1) / 2) continue;',
  },
  {
    name: 'tentative replies of different views mixed',
    file: 'src/pbft/reply-votes.ts',
    find: 'if (other === view) same++;',
    replace: 'if (other !== COMMITTED) same++;',
  },
  {
    name: 'a read answered from the committed state',
    file: 'src/pbft/execution.ts',
    find: `    if (this.tentative !== undefined) {
      if (this.heldReads.length >= HELD_READS) return outbox.reject('too many read-only requests held');
      this.heldReads.push(request);
      this.eager = EAGER_BATCHES;
      return outbox.sendDeferred();
    }
`,
    replace: `    if (this.tentative !== undefined) {
      const batch = this.tentative;
      const sequence = this.lastExecuted;
      this.state.rollbackBatch();
      this.tentative = undefined;
      this.read(request);
      this.tentative = batch;
      return this.execute(sequence, batch);
    }
`,
  },
  {
    // Said to be final, as read-only replies are: 2f+1 of one view that said so tentatively could be believed.
    name: 'a read-only reply released before its state committed',
    file: 'src/pbft/execution.ts',
    find: `      this.heldReads.push(request);
      this.eager = EAGER_BATCHES;
      return outbox.sendDeferred();
`,
    replace: `      for (const call of request.calls) {
        const result = this.state.service.query(call.operation, request.session);
        const outcome = { status: ReplyStatus.Ok, result, durable: false };
        outbox.reply(request.session, { ...this.toReply(request, call, outcome, false), tentative: false }, false);
      }
      return;
`,
  },
  {
    name: 'reads not held after a restart',
    file: 'src/pbft/execution.ts',
    find: 'this.readsFrom = Math.max(this.readsFrom, sequence);',
    replace: '',
  },
  {
    // The rule stands twice: a replica whose view has not begun is not readable either.
    name: 'reads during a view change',
    file: 'src/pbft/execution.ts',
    find: `    if (!this.core.active) return outbox.reject('read-only request during a view change');
    if (!this.readable) return`,
    replace: 'if (this.lastCommitted < this.readsFrom) return',
  },
];
