/** libsodium's arithmetic, twice as fast as OpenSSL's: its rule is that of ed25519.ts. */
import type { Engine } from './ed25519-engine.js';
import { loadSodium } from './sodium.js';

/** What is used of sodium-native. Buffers have exactly the lengths that libsodium's documentation states. */
interface Sodium {
  crypto_sign_seed_keypair(publicKey: Buffer, secretKey: Buffer, seed: Buffer): void;
  crypto_sign_detached(signature: Buffer, message: Uint8Array, secretKey: Buffer): void;
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Buffer): boolean;
}

/** Undefined on machines for which the package has no binary. */
export function sodiumEngine(): Engine | undefined {
  const sodium = loadSodium<Sodium>();
  if (sodium === undefined) return undefined;
  return {
    name: 'libsodium',
    signer: (seed) => {
      const publicKey = Buffer.alloc(32);
      const secretKey = Buffer.alloc(64);
      sodium.crypto_sign_seed_keypair(publicKey, secretKey, Buffer.from(seed));
      const sign = (message: Uint8Array): Buffer => {
        const signature = Buffer.allocUnsafe(64);
        sodium.crypto_sign_detached(signature, message, secretKey);
        return signature;
      };
      return { publicKey, sign };
    },
    verifier: (publicKey) => {
      const key = Buffer.from(publicKey);
      return (message, signature) => sodium.crypto_sign_verify_detached(signature, message, key);
    },
  };
}
