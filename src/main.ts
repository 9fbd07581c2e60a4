#!/usr/bin/env node
/** The program `capsuled`. Imports nothing heavy: sub-commands load what they need. */

import './cli/no-debugger.js';
// Before what takes time to import.
import './cli/early-signals.js';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OutputErrors } from './cli/output.js';
import { processTerminal } from './cli/terminal.js';
import { smallFiles } from './small-file.js';

const [, script] = process.argv;
if (script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)) {
  const outputErrors = new OutputErrors();
  outputErrors.watch('standard output', process.stdout, processTerminal.error);
  outputErrors.watch('standard error', process.stderr, processTerminal.error);
  const { main } = await import('./cli/program.js');
  const status = outputErrors.status(await main(process.argv.slice(2)));
  process.exitCode = status;
  if (smallFiles.isHeld) {
    // Of a file that was given up: the process would wait for it.
    const { exitProcess } = await import('./engine/exit.js');
    exitProcess(status);
  }
}
