/** Messages as bytes: each is encoded where it leaves and decoded where it arrives, by src/wire. */
import { hash } from 'node:crypto';
import { MAC_BYTES } from '../../../src/crypto/macs.js';
import { Signables } from '../../../src/crypto/signables.js';
import { Limits } from '../../../src/limits.js';
import type { Message } from '../../../src/pbft/messages.js';
import { type Decoding, decodeMessage, encodeMessage } from '../../../src/wire/codec.js';
import { WireError } from '../../../src/wire/errors.js';
import { encodeRequestBody } from '../../../src/wire/request-body.js';
import type { Form } from '../fake-authentication.js';
import { Violation } from '../violation.js';

export const CLUSTER_ID = Buffer.alloc(32, 0x5e);
export const signables = new Signables(CLUSTER_ID);

/** Real layout and digests; signatures and MACs have their length. */
export const wireForm: Form = {
  requestBody: encodeRequestBody,
  requestDigest: (body) => signables.request(body),
  batchDigest: (time, requests) =>
    signables.batch(
      time,
      requests.map(({ digest }) => digest),
    ),
  resultDigest: (result) => signables.resultDigest(result),
  chainDigest: (previous, sequence, batchDigest) => signables.chain(previous, sequence, batchDigest),
  reportDigest: (report) => signables.report(report),
  signature: (content) => hash('sha512', content, 'buffer'),
  macBytes: MAC_BYTES,
};

export class Wire {
  private readonly decoding: Decoding;

  /** @param n number of replicas */
  constructor(n: number) {
    this.decoding = { n, signables };
  }

  /**
   * Puts a message on its way.
   * @param faulty whether its sender is: then it may be none that can be sent, or none that is taken for one
   * @returns what makes of the bytes a message of the receiver's own; undefined: they are refused
   */
  carry<Each extends Message>(message: Each, faulty: boolean): () => Each | undefined {
    const bytes = faulty ? refused(() => encodeMessage(message)) : encodeMessage(message);
    if (!faulty && bytes!.length > Limits.frameBytes) {
      throw new Violation('validity', `a ${message.kind} of ${bytes!.length} bytes is more than a frame holds`);
    }
    return () => bytes && this.decode<Each>(bytes, faulty);
  }

  private decode<Each extends Message>(bytes: Uint8Array, faulty: boolean): Each | undefined {
    try {
      // The decoder is given the buffer away, and others are to decode it too.
      return decodeMessage(Buffer.from(bytes), this.decoding) as Each;
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (faulty) return undefined;
      throw new Violation('validity', `what a correct process sent is refused: ${error.message}`);
    }
  }
}

function refused<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
