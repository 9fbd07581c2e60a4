/**
 * Tells the service supervisor what the daemon is doing (sd_notify). Node has no datagram sockets
 * of the unix family, so systemd's own `systemd-notify` sends the message; it is there wherever
 * NOTIFY_SOCKET is set. The unit needs `NotifyAccess=all`. A message that cannot be sent is logged
 * and changes nothing.
 */

import { execFile } from 'node:child_process';
import type { Logger } from '../subsystem/logger.js';

export type ServiceState = 'ready' | 'reloading' | 'stopping';

export class ServiceNotifier {
  readonly #logger: Logger;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(logger: Logger, environment: NodeJS.ProcessEnv = process.env) {
    this.#logger = logger;
    this.#environment = environment;
  }

  notify(state: ServiceState): Promise<void> {
    if ((this.#environment['NOTIFY_SOCKET'] ?? '') === '') return Promise.resolve();
    const words = [...messages(state), `MAINPID=${process.pid}`];
    return new Promise((resolve) => {
      const options = { env: this.#environment, timeout: 2000 };
      execFile('systemd-notify', words, options, (error) => {
        if (error !== null) {
          this.#logger.warn({ state, reason: error.message }, 'service notification not sent');
        }
        resolve();
      });
    });
  }
}

function messages(state: ServiceState): string[] {
  switch (state) {
    case 'ready':
      return ['READY=1'];
    case 'reloading': {
      const microseconds = process.hrtime.bigint() / 1000n;
      return ['RELOADING=1', `MONOTONIC_USEC=${microseconds.toString()}`];
    }
    case 'stopping':
      return ['STOPPING=1'];
  }
}
