/** What the journal says 2f+1 have certified, looked at again: whoever had this process may have written it. */
import { isCheckpointCertificate } from '../../src/pbft/certificates.js';
import type { Configuration } from '../../src/pbft/configuration.js';
import type { CheckpointCertificate } from '../../src/pbft/messages.js';
import type { Authentication, JournalRecord } from '../../src/pbft/ports.js';
import { JournalError } from '../journal/errors.js';

/**
 * The last stable certificate, which the state is compared with and others are shown, bears the signatures it names.
 * @throws JournalError `corrupt`
 */
export function checkCertificate(
  recovered: readonly JournalRecord[],
  configuration: Configuration,
  authentication: Authentication,
): void {
  const last = recovered.reduce<CheckpointCertificate | undefined>((highest, record) => {
    if (record.kind !== 'stable' || record.certificate.sequence <= (highest?.sequence ?? 0)) return highest;
    return record.certificate;
  }, undefined);
  if (last === undefined || isCheckpointCertificate(last, configuration, authentication)) return;
  throw new JournalError(
    'corrupt',
    `the checkpoint that the journal says is certified at ${last.sequence} is not: this replica can only come back with --rejoin`,
  );
}
