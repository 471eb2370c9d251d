// What those can do who have no key: each from an address of its own, as if from another machine.
import { randomBytes, randomInt } from 'node:crypto';
import { connect } from 'node:net';

/** Opens connections whenever there are fewer than `count` to each port, and does `act` with each. */
function crowd(ports, count, localAddress, act) {
  const told = { opened: 0, closedByReplica: 0, most: 0 };
  const open = new Map(ports.map((port) => [port, new Set()]));
  const timer = setInterval(() => {
    for (const [port, sockets] of open) {
      // A few at a time: the attackers share this machine with those that they attack.
      for (let i = 0; i < 50 && sockets.size < count; i++) {
        const socket = connect({ port, host: '127.0.0.1', localAddress });
        sockets.add(socket);
        told.opened++;
        told.most = Math.max(told.most, sockets.size);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          told.closedByReplica++;
        });
        socket.resume();
        act(socket);
      }
    }
  }, 50);
  return {
    told,
    stop() {
      clearInterval(timer);
      for (const sockets of open.values()) for (const socket of sockets) socket.removeAllListeners('close').destroy();
    },
  };
}

/** Bytes of no meaning; every other time behind the header of a hello. */
export const noise = (ports) =>
  crowd(ports, 10, '127.0.0.66', (socket) => {
    const hello = Buffer.concat([Buffer.from([0, 116, 1]), randomBytes(116)]);
    socket.write(randomInt(2) === 0 ? randomBytes(randomInt(1, 5000)) : hello);
  });

/** A thousand connections, of which nothing is heard. */
export const silent = (ports) => crowd(ports, 1000, '127.0.0.67', () => undefined);

/** A hello that comes a byte at a time. */
export const slow = (ports) =>
  crowd(ports, 30, '127.0.0.68', (socket) => {
    const bytes = Buffer.concat([Buffer.from([0, 116, 1]), randomBytes(116)]);
    let at = 0;
    const timer = setInterval(() => {
      if (socket.destroyed || at === bytes.length) return clearInterval(timer);
      socket.write(bytes.subarray(at, ++at));
    }, 100);
  });
