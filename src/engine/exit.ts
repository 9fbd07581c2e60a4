/** The end of the process, which nothing that it waits for may prevent. */

import { loadAddon } from './addon.js';

/**
 * Runs what listens for `exit`, and ends. Node's own exit waits for its worker threads, one of
 * which may be in a call that never returns: a file system that does not answer.
 */
export function exitProcess(status: number): never {
  process.on('exit', () => {
    exitNow(status);
  });
  process.exit(status);
}

function exitNow(status: number): void {
  try {
    (loadAddon()['exitNow'] as (status: number) => void)(status);
  } catch {
    // Without the addon, Node's exit must do.
  }
}
