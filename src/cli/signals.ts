/** SIGINT, SIGTERM and SIGHUP (the terminal went away): all ask to stop. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function onStopSignal(handler: (signal: NodeJS.Signals) => void): void {
  for (const name of SIGNALS) process.on(name, handler);
}

/** Resolves with the first signal's name. A second signal ends the process at once: the clean way took too long. */
export function stopRequested(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    onStopSignal((signal) => {
      if (asked) process.exit(1);
      asked = true;
      resolve(signal);
    });
  });
}
