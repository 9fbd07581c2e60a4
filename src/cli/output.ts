/** What becomes of a command whose output cannot be written. */

interface OutputStream {
  on: (event: 'error', listener: (error: NodeJS.ErrnoException) => void) => unknown;
}

/**
 * Errors of the standard streams, which nobody awaits. A reader that has seen enough, such as
 * `head`, is none: the command goes on to its end, and to its status, without being heard. Output
 * that is lost otherwise (a full disk) is a failure.
 */
export class OutputErrors {
  #lost = false;

  watch(name: string, stream: OutputStream, report: (text: string) => void): void {
    stream.on('error', ({ code, message }) => {
      if (code === 'EPIPE' || this.#lost) return;
      this.#lost = true;
      report(`capsuled: error: ${name} cannot be written: ${message}\n`);
      // For an error that comes when the command has ended; else `status` has it.
      process.exitCode = this.status(Number(process.exitCode ?? 0));
    });
  }

  /** The exit status of a command that ended with `status`. */
  status(status: number): number {
    return this.#lost && status === 0 ? 1 : status;
  }
}
