/** A supervisor's probe of a daemon, once a second; nobody is to keep it from its answer. */

import type { Daemon } from '../integration/daemon.js';

export class ProbeWatch {
  readonly #daemon: Daemon;
  readonly #failures: string[] = [];
  readonly #timer: NodeJS.Timeout;
  #probe: Promise<void> | undefined;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
    this.#timer = setInterval(() => {
      this.#probe ??= this.#ask();
    }, 1000);
    this.#timer.unref();
  }

  /** What went wrong. */
  async stop(): Promise<readonly string[]> {
    clearInterval(this.#timer);
    await this.#probe;
    return this.#failures;
  }

  async #ask(): Promise<void> {
    try {
      const { status } = await this.#daemon.get('/healthz');
      if (status !== 200) this.#failures.push(`probe: the status ${status}`);
    } catch (error) {
      this.#failures.push(`probe: ${(error as Error).message}`);
    }
    this.#probe = undefined;
  }
}
