/** The generated codec of messages.proto with its types; fields at their default are absent on the wire and read as it. */
import type { Reader, Writer } from './protobuf.js';

// For its effect, before the generated code loads.
import './protobuf.js';

import { wire } from './generated/messages.js';

interface MessageCodec<Encoded, Decoded = Encoded> {
  encode(message: Encoded, writer: Writer): Writer;
  /** Reads to the end of `reader`; throws on anything that is no encoding of the message. */
  decode(reader: Reader): Decoded;
}

export interface WireRequest {
  body: Uint8Array;
  authenticator: Uint8Array;
  signature: Uint8Array;
}

export interface WireBatchData {
  sequence: number;
  seconds: number;
  nanoseconds: number;
  requests: WireRequest[];
  reports: Uint8Array[];
}

/** All of a request, or its name alone. */
export interface WireProposedRequest extends Partial<WireRequest> {
  name?: Uint8Array;
}

export interface WirePrePrepare {
  view: number;
  sequence: number;
  seconds: number;
  nanoseconds: number;
  requests: WireProposedRequest[];
  reports: Uint8Array[];
}

export interface WireBatchName {
  sequence: number;
  digest: Uint8Array;
}

/** A vote, and an element of P or Q. */
export interface WireVote extends WireBatchName {
  view: number;
}

export interface WireReply {
  view: number;
  tentative: boolean;
  instance: number;
  slot: number;
  sequence: number;
  status: number;
  result?: Uint8Array | null;
  resultDigest?: Uint8Array | null;
}

export interface WireCheckpoint {
  sequence: number;
  stateDigest: Uint8Array;
  replica: number;
  signature: Uint8Array;
}

export interface WireStatus {
  view: number;
  active: boolean;
  dissatisfied: boolean;
  viewChanges: number;
  lastStable: number;
  lastExecuted: number;
  lastFlushed: number;
  recovering: boolean;
  awaited: number;
  missing: { sequence: number; batch: boolean; prepared: boolean }[];
}

export interface WireFlushed extends WireBatchName {
  signature: Uint8Array;
}

export interface WireFlushCertificate extends WireBatchName {
  signatures: { replica: number; signature: Uint8Array }[];
}

export interface WireCertificate {
  sequence: number;
  stateDigest: Uint8Array;
  signatures: { replica: number; signature: Uint8Array }[];
}

export interface WireViewChange {
  view: number;
  replica: number;
  certificate: Uint8Array;
  prepared: WireVote[];
  prePrepared: WireVote[];
  signature: Uint8Array;
}

export interface WireNewView {
  view: number;
  viewChanges: Uint8Array[];
  signature: Uint8Array;
}

export interface WireForgotten {
  replica: number;
  incarnation: number;
  life: number;
  heard: number[];
  signature: Uint8Array;
}

export interface WireStartReport {
  replica: number;
  incarnation: number;
  certificate: Uint8Array;
  flushed: Uint8Array;
  checkpoints: WireBatchName[];
  ordered: WireBatchName[];
  signature: Uint8Array;
}

export interface WireNewIncarnation {
  incarnation: number;
  forgotten: Uint8Array[];
  report: Uint8Array;
}

export interface Schema {
  Forgotten: MessageCodec<WireForgotten>;
  StartReport: MessageCodec<WireStartReport>;
  NewIncarnation: MessageCodec<WireNewIncarnation>;
  Request: MessageCodec<WireRequest>;
  PrePrepare: MessageCodec<WirePrePrepare, WirePrePrepare & { requests: Required<WireProposedRequest>[] }>;
  Vote: MessageCodec<WireVote>;
  Reply: MessageCodec<WireReply>;
  Checkpoint: MessageCodec<WireCheckpoint>;
  Status: MessageCodec<WireStatus>;
  BatchName: MessageCodec<WireBatchName>;
  BatchData: MessageCodec<WireBatchData>;
  Flushed: MessageCodec<WireFlushed>;
  QueryStable: MessageCodec<{ life: number }>;
  ReplyStable: MessageCodec<{ life: number; lastCheckpoint: number; lastPrepared: number; view: number }>;
  FlushCertificate: MessageCodec<WireFlushCertificate>;
  CheckpointCertificate: MessageCodec<WireCertificate>;
  ViewChange: MessageCodec<WireViewChange>;
  NewView: MessageCodec<WireNewView>;
  FetchState: MessageCodec<{ number: number; query: Uint8Array }>;
  StateData: MessageCodec<{ number: number; answer?: Uint8Array | null }>;
  Attach: MessageCodec<{ instance: number }>;
  Inspect: MessageCodec<{ scrub: boolean }>;
  Inspection: MessageCodec<{ json: string }>;
  Revoked: MessageCodec<object>;
}

export const schema = wire as unknown as Schema;
