import type { Configuration } from '../../../src/pbft/configuration.js';
import { isFlushCertificate } from '../../../src/pbft/flushing.js';
import { incarnationOf } from '../../../src/pbft/incarnation.js';
import type { SequenceNumber } from '../../../src/pbft/messages.js';
import { FakeAuthentication } from '../fake-authentication.js';
import type { ReplicaHost } from '../replica-host.js';
import type { FlushedPart } from '../storage.js';
import { Violation } from '../violation.js';

const authentication = new FakeAuthentication(-1);

/**
 * A client accepted the reply to a durable call, executed at `sequence`. All up to it is on stable storage of f+1 correct
 * replicas, as a state and the batches after it, and so is, of f+1 too, a certificate that says so: one of either is among any 2f+1 that come back when all
 * lose power at this moment.
 *
 * @param certified whether a certificate is needed: where no vote is ever forgotten, it is not
 */
export function checkDurability(
  operation: string,
  sequence: SequenceNumber | undefined,
  correct: readonly ReplicaHost[],
  configuration: Configuration,
  certified: boolean,
): void {
  if (sequence === undefined) throw new Violation('durability', `${operation} was answered, and has not committed`);
  const hasBatches = (disk: FlushedPart, { state }: ReplicaHost): boolean => {
    // A state transfer is on stable storage when it is installed; a state that was begun anew waits for one.
    const installed = state.installed > state.lastExecuted ? 0 : state.installed;
    const from = Math.max(installed, state.flushedUpTo) + 1;
    if (incarnationOf(from - 1) < incarnationOf(sequence)) return false;
    for (let each = from; each <= sequence; each++) if (!disk.holds(each)) return false;
    return true;
  };
  const hasCertificate = ({ flushCertificate: certificate }: FlushedPart): boolean =>
    certificate !== undefined &&
    certificate.sequence >= sequence &&
    isFlushCertificate(certificate, configuration, authentication);
  check('batches', hasBatches);
  if (certified) check('the certificate', hasCertificate);

  function check(what: string, isThere: (disk: FlushedPart, host: ReplicaHost) => boolean): void {
    const where = correct.filter((host) => isThere(host.disk.flushedPart, host));
    if (where.length >= configuration.weakQuorum) return;
    const whose = where.map(({ name }) => name).join(', ') || 'nobody';
    throw new Violation(
      'durability',
      `${operation} at ${sequence} was answered; ${whose} has ${what} on stable storage`,
    );
  }
}
