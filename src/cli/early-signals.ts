/**
 * What signals do before `serve` has its own listeners for them: importing the daemon takes a
 * moment, in which a supervisor may tell it to stop, or to read a file that it has not yet read.
 * Without a listener both would kill it.
 *
 * Imported by main.ts before anything else, for its effect.
 */

/** Nothing runs that would have to be stopped. */
const stop = (): void => {
  process.exit(0);
};

/** The file is read later, as it is then. */
const reload = (): void => undefined;

export function installEarlySignals(): void {
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGQUIT', stop).on('SIGHUP', reload);
}

if (process.argv[2] === 'serve') installEarlySignals();

/** Others listen now. */
export function releaseEarlySignals(): void {
  process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGQUIT', stop).off('SIGHUP', reload);
}
