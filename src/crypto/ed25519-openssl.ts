/** OpenSSL's arithmetic, which takes any R that the equation yields: those of small order are refused here. */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { Engine } from './ed25519-engine.js';
import { isSmallOrder } from './ed25519-noble.js';

/** SubjectPublicKeyInfo and PKCS #8 of an Ed25519 key up to the key itself (RFC 8410 §4, §7). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

export const opensslEngine: Engine = {
  name: 'OpenSSL',
  signer: (seed) => {
    const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
    return { publicKey: spki.subarray(SPKI_PREFIX.length), sign: (message) => sign(null, message, key) };
  },
  verifier: (publicKey) => {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
    return (message, signature) => !isSmallOrder(signature.subarray(0, 32)) && verify(null, message, key, signature);
  },
};
