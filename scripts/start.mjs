// `npm start`: sets up what is not set up yet, then becomes the daemon, in this same process so
// that a second start is quick. Arguments go to `capsuled serve`; without --config it serves the
// config.yaml beside package.json.

import path from 'node:path';
import { runMain, setup } from './bootstrap.mjs';
import { root } from './sources.mjs';

await runMain(async () => {
  setup();
  const args = process.argv.slice(2);
  const hasConfig = args.some((arg) => arg === '--config' || arg.startsWith('--config='));
  if (!hasConfig) args.push('--config', path.join(root, 'config.yaml'));
  const { installEarlySignals } = await import('../dist/src/cli/early-signals.js');
  installEarlySignals();
  const { main } = await import('../dist/src/cli/program.js');
  return main(['serve', ...args]);
});
