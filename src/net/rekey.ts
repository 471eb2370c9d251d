/**
 * A change of session keys while messages flow: a new ephemeral exchange, signed like the handshake, so that session
 * keys that leaked are worth nothing afterwards, even to an attacker on the path. The dialer begins.
 *
 *     dialer → acceptor   RekeyOffer:  epoch, ephemeral key, signature      (old keys)
 *     acceptor → dialer   RekeyAccept: epoch, ephemeral key, signature      (its last frame under the old key)
 *     dialer → acceptor   RekeyDone                                         (its last frame under the old key)
 *
 * Each direction is ordered, so frames change keys at one point and need no grace. Request authenticators reach a
 * replica by other ways too: there the old key is accepted for a while (RotatingKey).
 */
import { ByteReader, ByteWriter, MalformedBytes } from '../bytes.js';
import { SIGNATURE_BYTES } from '../crypto/ed25519.js';
import {
  deriveLinkKeys,
  type EphemeralKey,
  generateEphemeralKey,
  type LinkKeys,
  X25519_KEY_BYTES,
} from '../crypto/session-keys.js';
import type { Digest } from '../pbft/messages.js';
import type { Peer } from './admission.js';
import type { NetContext } from './context.js';

export class Rekeying {
  private epoch = 0;
  /** The dialer's, while an offer is out. */
  private offered: EphemeralKey | undefined;
  /** Agreed, but not yet in use by the dialer's frames: the acceptor's, until RekeyDone. */
  private agreed: LinkKeys | undefined;

  constructor(
    private readonly context: NetContext,
    private readonly peer: Peer,
    private readonly channel: Digest,
    private readonly isEncrypted: boolean,
  ) {}

  get underWay(): boolean {
    return this.offered !== undefined || this.agreed !== undefined;
  }

  /** Dialer: the content of an offer. */
  offer(): Buffer {
    this.offered = generateEphemeralKey();
    const { publicKey } = this.offered;
    return this.sealed(publicKey, this.context.signables.rekeyOffer(this.channel, this.epoch + 1, publicKey));
  }

  /** Acceptor: the new keys and the content of the answer; undefined if the offer is not right. */
  accept(offer: Buffer): { keys: LinkKeys; answer: Buffer } | undefined {
    const { signables } = this.context;
    if (this.agreed !== undefined) return undefined;
    const opened = this.opened(offer);
    if (opened === undefined) return undefined;
    if (!this.verified(signables.rekeyOffer(this.channel, this.epoch + 1, opened.publicKey), opened)) return undefined;
    const ephemeral = generateEphemeralKey();
    const transcript = signables.rekeyAccept(this.channel, this.epoch + 1, opened.publicKey, ephemeral.publicKey);
    this.agreed = this.derive(ephemeral, opened.publicKey, transcript);
    if (this.agreed === undefined) return undefined;
    this.epoch++;
    return { keys: this.agreed, answer: this.sealed(ephemeral.publicKey, transcript, this.epoch) };
  }

  /** Dialer: the new keys; undefined if the answer is not right. */
  complete(answer: Buffer): LinkKeys | undefined {
    const { signables } = this.context;
    const opened = this.opened(answer);
    if (opened === undefined || this.offered === undefined) return undefined;
    const offered = this.offered;
    const transcript = signables.rekeyAccept(this.channel, this.epoch + 1, offered.publicKey, opened.publicKey);
    if (!this.verified(transcript, opened)) return undefined;
    this.offered = undefined;
    this.epoch++;
    return this.derive(offered, opened.publicKey, transcript);
  }

  /** Acceptor: the dialer's frames are under the new keys from here; undefined if none were agreed. */
  done(): LinkKeys | undefined {
    const keys = this.agreed;
    this.agreed = undefined;
    return keys;
  }

  private sealed(publicKey: Uint8Array, digest: Digest, epoch = this.epoch + 1): Buffer {
    return new ByteWriter().u32(epoch).raw(publicKey).raw(this.context.signingKey.sign(digest)).finish();
  }

  private opened(bytes: Buffer): { publicKey: Buffer; signature: Buffer } | undefined {
    const r = new ByteReader(bytes);
    try {
      const epoch = r.u32();
      const opened = { publicKey: r.raw(X25519_KEY_BYTES), signature: r.raw(SIGNATURE_BYTES) };
      r.end();
      return epoch === this.epoch + 1 ? opened : undefined;
    } catch (error) {
      if (error instanceof MalformedBytes) return undefined;
      throw error;
    }
  }

  private verified(digest: Digest, { signature }: { signature: Buffer }): boolean {
    return this.context.keyOf(this.peer.role, this.peer.id)?.verify(digest, signature) ?? false;
  }

  private derive(ephemeral: EphemeralKey, peerKey: Uint8Array, transcript: Digest): LinkKeys | undefined {
    const sharedSecret = ephemeral.agree(peerKey);
    if (sharedSecret === undefined) return undefined;
    return deriveLinkKeys(sharedSecret, transcript, this.context.signables.linkKeysInfo, this.isEncrypted);
  }
}
