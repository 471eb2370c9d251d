/** What Ed25519 is computed with. All follow the one rule of ed25519.ts, and are held to it by the same vectors. */
export interface Engine {
  name: string;
  /** @param seed the RFC 8032 private key, 32 bytes */
  signer(seed: Uint8Array): Signer;
  /** @param publicKey canonical, and not of small order */
  verifier(publicKey: Uint8Array): Verify;
}

export interface Signer {
  /** 32 bytes. */
  publicKey: Buffer;
  /** @returns 64 bytes */
  sign(message: Uint8Array): Buffer;
}

/** @param signature 64 bytes */
export type Verify = (message: Uint8Array, signature: Uint8Array) => boolean;
