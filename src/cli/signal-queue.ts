/**
 * Turns signals into reloads and the stop. It listens from its creation; what comes before the
 * daemon runs is done when it does.
 *
 * Reloads do not pile up: one runs, and however many are asked for meanwhile, one more follows,
 * which reads the file as it is then.
 */

export type ServeSignal = 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGHUP' | 'SIGUSR1';

export interface Signals {
  on: (signal: ServeSignal, listener: () => void) => unknown;
  off: (signal: ServeSignal, listener: () => void) => unknown;
}

/** What signals do to a daemon. */
export interface Signalled {
  /** Never rejects. */
  readonly reload: () => Promise<void>;
}

const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

export class SignalQueue {
  readonly #signals: Signals;
  readonly #exit: (status: number) => void;
  #daemon: Signalled | null = null;
  #isReloading = false;
  #isReloadAsked = false;
  #isStopAsked = false;
  #wakeStop: () => void = () => undefined;
  /** Resolves when it was told to stop. */
  readonly stopAsked = new Promise<void>((resolve) => {
    this.#wakeStop = resolve;
  });

  /** `exit` ends the process at once. */
  constructor(signals: Signals, exit: (status: number) => void) {
    this.#signals = signals;
    this.#exit = exit;
    for (const signal of stopSignals) signals.on(signal, this.#onStop);
    signals.on('SIGHUP', this.#onReload);
  }

  get isStopAsked(): boolean {
    return this.#isStopAsked;
  }

  /** The daemon runs. Resolves when it was told to stop. */
  async serve(daemon: Signalled): Promise<void> {
    this.#daemon = daemon;
    void this.#reload();
    await this.stopAsked;
  }

  close(): void {
    for (const signal of stopSignals) this.#signals.off(signal, this.#onStop);
    this.#signals.off('SIGHUP', this.#onReload);
  }

  readonly #onStop = (): void => {
    if (this.#isStopAsked) this.#exit(0);
    this.#isStopAsked = true;
    this.#wakeStop();
  };

  readonly #onReload = (): void => {
    this.#isReloadAsked = true;
    void this.#reload();
  };

  async #reload(): Promise<void> {
    if (this.#daemon === null || this.#isReloading) return;
    this.#isReloading = true;
    while (this.#isReloadAsked) {
      this.#isReloadAsked = false;
      await this.#daemon.reload();
    }
    this.#isReloading = false;
  }
}
