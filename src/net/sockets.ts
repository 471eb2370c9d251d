/** A turn's messages leave as one write: nothing is gained by holding them back. */
export const SOCKET_OPTIONS = { noDelay: true, keepAlive: true } as const;

/** Every error of a socket is followed by 'close', which says all that matters. */
export const ignoreError = (): void => undefined;
