/** What is measured in every process that speaks to others. Once done, it holds until the process ends. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { SigningKey, VerifyingKey } from '../crypto/ed25519.js';
import { MacKey } from '../crypto/macs.js';
import { Signables } from '../crypto/signables.js';
import { Client } from '../pbft/client.js';
import { FrameOpener, FrameSealer } from '../wire/framing.js';
import { CALLS, LINKS } from './figures.js';
import type { Stopwatch } from './stopwatch.js';

/** Framing, decoding, link MACs, and what sockets take. What is done with a message is another section within. */
export function timeNetwork(stopwatch: Stopwatch): void {
  stopwatch.time(FrameOpener.prototype, ['feed'], 'network', LINKS);
  stopwatch.time(FrameSealer.prototype, ['seal'], 'network', LINKS);
  stopwatch.time(Socket.prototype, ['write', 'uncork'], 'network', LINKS, { wakes: true });
}

/** All but the MACs of links, which are part of the network. */
export function timeHashing(stopwatch: Stopwatch): void {
  const elsewhere = { within: ['network', 'hashing'] as const };
  // Of a request it is made when that is decoded: within what the network takes, and no part of it.
  stopwatch.time(Signables.prototype, ['request', 'batch', 'resultDigest', 'chain'], 'hashing', undefined, {
    within: ['hashing'],
  });
  stopwatch.time(MacKey.prototype, ['mac', 'verify'], 'hashing', undefined, elsewhere);
  stopwatch.time(SigningKey.prototype, ['sign'], 'hashing', undefined, elsewhere);
  stopwatch.time(VerifyingKey.prototype, ['verify'], 'hashing', undefined, elsewhere);
  // Digests are made by a function, wherever one is needed: what is imported of a built-in module can be exchanged.
  stopwatch.time(crypto, ['hash'], 'hashing', undefined, elsewhere);
  syncBuiltinESMExports();
}

/** Sealing, with its digests and signatures, and the counting of votes: of calls, whichever they are. */
export function timeClient(stopwatch: Stopwatch): void {
  stopwatch.time(Client.prototype, ['submit', 'receive', 'tick', 'takeReady'], 'client', CALLS);
}
