import { Limits } from '../limits.js';
import { isCheckpointCertificate } from './certificates.js';
import type { Configuration } from './configuration.js';
import { sameDigest } from './digests.js';
import { incarnationOf } from './incarnation.js';
import type { NewView, OrderedBatch, ViewChange } from './messages.js';
import type { Authentication } from './ports.js';
import { checkpointOf, type Selection, select } from './selection.js';

/** Whether the view-change is one that its sender can have meant: signed, and within its own water marks and view. */
export function isViewChange(
  message: ViewChange,
  configuration: Configuration,
  authentication: Authentication,
): boolean {
  const { view, replica, certificate, prepared, prePrepared } = message;
  if (certificate !== undefined && incarnationOf(certificate.sequence) !== incarnationOf(view)) return false;
  if (view < 1 || replica >= configuration.n) return false;
  const low = checkpointOf(message);
  const inBounds = (each: OrderedBatch): boolean =>
    each.sequence > low && each.sequence <= low + Limits.logSize && each.view < view;
  if (!prepared.every(inBounds) || !prePrepared.every(inBounds)) return false;
  if (prepared.some((each, i) => i > 0 && each.sequence <= prepared[i - 1].sequence)) return false;
  for (let i = 1; i < prePrepared.length; i++) {
    const [before, each] = [prePrepared[i - 1], prePrepared[i]];
    if (each.sequence < before.sequence) return false;
    if (each.sequence === before.sequence && sameDigest(each.digest, before.digest)) return false;
    if (i >= Limits.prePreparedPerNumber && each.sequence === prePrepared[i - Limits.prePreparedPerNumber].sequence)
      return false;
  }
  if (!authentication.verifyViewChange(message)) return false;
  return certificate === undefined || isCheckpointCertificate(certificate, configuration, authentication);
}

/**
 * What the new-view begins with; undefined if it is none: not signed by its primary, or not from 2f+1 valid
 * view-changes for its view that decide everything.
 */
export function selectionOf(
  message: NewView,
  configuration: Configuration,
  authentication: Authentication,
): Selection | undefined {
  const { view, viewChanges } = message;
  if (view < 1 || viewChanges.length < configuration.quorum) return undefined;
  if (viewChanges.some((each, i) => each.view !== view || (i > 0 && each.replica <= viewChanges[i - 1].replica))) {
    return undefined;
  }
  if (!authentication.verifyNewView(message, configuration.primary(view))) return undefined;
  if (!viewChanges.every((each) => isViewChange(each, configuration, authentication))) return undefined;
  return select(viewChanges, configuration);
}
