import type { Behaviour } from './behaviour.js';

/** A source of the state that lies, ends early, says that it has nothing, never ends, or says nothing. */
export const lyingSource: Behaviour = {
  name: 'lying source',
  send(message, _to, { random }) {
    if (message.kind !== 'state-data' || message.answer === undefined) return [message];
    const { number, answer } = message;
    const altered = Buffer.from(answer);
    if (altered.length > 0) altered[random.below(altered.length)] ^= 1 + random.below(255);
    switch (random.below(6)) {
      case 0:
        return [{ ...message, answer: altered }];
      case 1:
        return [{ ...message, answer: answer.subarray(0, random.below(answer.length + 1)) }];
      case 2:
        return [{ kind: 'state-data', number }];
      case 3:
        return [message, message, { ...message, number: number + 1 }, { ...message, answer: altered }];
      case 4:
        return [{ ...message, answer: Buffer.concat([answer, altered]) }];
      default:
        return [];
    }
  },
};
