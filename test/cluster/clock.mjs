/** With node --import: the clock of this machine is off by BYZFS_TEST_CLOCK_MS. */
const offset = Number(process.env.BYZFS_TEST_CLOCK_MS);
const now = Date.now.bind(Date);
Date.now = () => now() + offset;
const { timeOrigin } = performance;
Object.defineProperty(performance, 'timeOrigin', { get: () => timeOrigin + offset });
