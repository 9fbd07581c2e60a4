#!/usr/bin/env node
/** The program `capsuled`. Imports nothing heavy: sub-commands load what they need. */

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { main } from './cli/program.js';

export { main };

const [, script] = process.argv;
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
