import { setup } from '../scripts/setup.mjs';

/** Processes run the built program: built once, before the first of them, since it must not change under any other. */
export default setup;
