/**
 * protobufjs, told to yield 64-bit integers as numbers: those of 2^53 and above come out rounded to unsafe ones, which
 * the codec refuses. To be imported before the generated code, which looks at it when it loads.
 */
import protobuf from 'protobufjs/minimal.js';

protobuf.util.Long = undefined as never;
protobuf.configure();

export const { Reader, Writer } = protobuf;
export type Reader = protobuf.Reader;
export type Writer = protobuf.Writer;
