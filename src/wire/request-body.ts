/**
 * The bytes of a request that its client signs, and that are kept and relayed as they came:
 *
 *     client (u32) ‖ instance (u64) ‖ read-only (u8) ‖ replier (u8) ‖ number of calls (u16) ‖ calls
 *     call: kind (u8) ‖ slot (u16) ‖ sequence (u64) ‖ operation (u32 length, bytes)
 *
 * Canonical, unlike protobuf: one request has one encoding, so one digest.
 */
import { ByteReader, ByteWriter, MalformedBytes } from '../bytes.js';
import { Limits } from '../limits.js';
import { type Call, CallKind, EVERYONE, READ_ONLY_SLOT, type Request, SESSION_SLOT } from '../pbft/messages.js';
import { WireError } from './errors.js';

export type RequestBody = Pick<Request, 'session' | 'readOnly' | 'replier' | 'calls'>;

const HEADER_BYTES = 16;
const CALL_HEADER_BYTES = 15;

/** Length of what `encodeRequestBody` yields for operations of these lengths; a client fills a request by it. */
export function requestBodyBytes(operations: readonly Uint8Array[]): number {
  let total = HEADER_BYTES;
  for (const operation of operations) total += CALL_HEADER_BYTES + operation.length;
  return total;
}

export function encodeRequestBody(request: RequestBody): Buffer {
  const { session, calls } = request;
  let size = HEADER_BYTES;
  for (const call of calls) size += CALL_HEADER_BYTES + call.operation.length;
  const w = new ByteWriter(size);
  w.u32(session.client).u64(session.instance).bool(request.readOnly).u8(request.replier).u16(calls.length);
  for (const call of calls) w.u8(call.kind).u16(call.slot).u64(call.sequence).bytes(call.operation);
  return w.finish();
}

/**
 * Strict inverse of `encodeRequestBody`; operations are views of `body`, which must therefore not change.
 * @param replicas n: a replier is below it, or EVERYONE
 * @throws WireError
 */
export function decodeRequestBody(body: Uint8Array, replicas: number): RequestBody {
  if (body.length > Limits.requestBytes) throw new WireError('oversized', `a request of ${body.length} bytes`);
  try {
    return readBody(new ByteReader(body), replicas);
  } catch (error) {
    if (error instanceof MalformedBytes) throw new WireError('malformed', `request: ${error.message}`);
    throw error;
  }
}

function readBody(r: ByteReader, replicas: number): RequestBody {
  const session = { client: r.u32(), instance: r.u64() };
  const readOnly = r.bool();
  const replier = r.u8();
  if (replier >= replicas && replier !== EVERYONE) throw new WireError('out-of-range', `replier ${replier}`);
  const count = r.u16();
  if (count === 0) throw new WireError('out-of-range', 'a request without calls');
  if (count > Limits.callsPerRequest) throw new WireError('too-many', `${count} calls in a request`);
  const calls: Call[] = [];
  for (let i = 0; i < count; i++) calls.push(readCall(r, readOnly));
  r.end();
  if (count > 1) refuseDuplicates(calls, readOnly);
  return { session, readOnly, replier, calls };
}

function readCall(r: ByteReader, readOnly: boolean): Call {
  const kind = r.u8();
  const slot = r.u16();
  const sequence = r.u64();
  const operation = r.bytes(Limits.operationBytes);
  if (kind > CallKind.CloseSession) throw new WireError('out-of-range', `call of kind ${kind}`);
  if (readOnly) {
    // Opening and closing sessions changes state: never on a read-only request's word (trap 13).
    if (kind !== CallKind.Service) throw new WireError('out-of-range', 'a read-only request opens or closes a session');
    if (slot !== READ_ONLY_SLOT) throw new WireError('out-of-range', `a read-only call in slot ${slot}`);
  } else if (kind === CallKind.Service ? slot >= Limits.slotsPerSession : slot !== SESSION_SLOT) {
    throw new WireError('out-of-range', `slot ${slot}`);
  }
  return { kind, slot, sequence, operation };
}

/** Read-only calls share a slot that is none: their sequence numbers tell them apart. */
function refuseDuplicates(calls: readonly Call[], readOnly: boolean): void {
  const seen = new Set<number>();
  for (const call of calls) seen.add(readOnly ? call.sequence : call.slot);
  if (seen.size !== calls.length) throw new WireError('duplicate-slot', 'two calls of a request share a slot');
}
