import { FIRST_CLIENT } from '../network.js';
import type { Attack } from './attack.js';
import { RawClient } from './raw-client.js';

/**
 * A faulty client: one slot number for two requests, which some hear in one order and some in the other; and a request
 * with a bad signature, and MACs that are right for some. No primary may be blamed for what becomes of them.
 */
const meddling: Attack = {
  name: 'a client makes replicas wait for what will never be',
  carryOut(stage) {
    const { world } = stage;
    const raw = new RawClient(world, 1);
    raw.open();
    stage.settle();
    const append = (slot: number) => raw.request(slot, 1, `append ${stage.token()}`);
    // Both are proposed before either is executed.
    for (const each of [append(2), append(2)]) raw.sendAll(each);
    stage.run(50);
    // Overtaken in its slot before the primary hears of it.
    const overtaken = append(0);
    const forged = { ...append(1), signature: new Uint8Array(64) };
    const relays = stage.lose((message, from) => message.kind === 'request' && from < FIRST_CLIENT);
    raw.send(overtaken, 2, 3);
    raw.send(append(0), 0);
    raw.send(forged, 2, 3);
    stage.run(300);
    relays();
    stage.mustStay(4000, 'a client is faulty');
  },
};

/** The primary is gone, and so is a client whose last request only some backups hear: the next primary must be told. */
const lastWish: Attack = {
  name: 'a client dies when it has told some backups what it wants',
  carryOut(stage) {
    const heals = [stage.isolate(0), stage.cutOff(2, 0, 1)];
    stage.append(2);
    stage.append(1);
    stage.run(400);
    heals.push(stage.cutOff(2, 0, 1, 2, 3));
    stage.until('no view begins', () => stage.isIn(1, 1, 2, 3), 6000);
    stage.mustStay(4000, 'the primary of the first view and a client are gone');
    for (const heal of heals) heal();
  },
};

export const CLIENT_ATTACKS: readonly Attack[] = [meddling, lastWish];
