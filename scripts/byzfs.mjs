// npm run up -- …: sets the checkout up, then becomes the command.
import { setup } from './setup.mjs';

setup();
const { main } = await import('../dist/src/cli/main.js');
process.exit(await main(process.argv.slice(2)));
