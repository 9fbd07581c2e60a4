/**
 * The daemon inside the guest, beside its host: for what a host does with the addresses that
 * discovery gives, which lead nowhere from behind the guest's network. The guest runs this
 * machine's node and project over the shared root; `daemon_start` and `daemon_stop` of guest.sh
 * start and end it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Target } from './target.js';

export class InGuest implements Target {
  /** The log is in the guest, which shows it when something fails. */
  readonly log = '';
  readonly guestEnv = {
    KIND: 'capsuled',
    PORT: '4420',
    DISCOVERY_PORT: '8009',
    ADMIN_PORT: '9920',
    TRADDR: '127.0.0.1',
    LISTENERS: '',
  };
  /** For the guest's folder of files. */
  readonly configFile: string;

  constructor(folder: string, configText: string) {
    this.configFile = join(folder, 'config.yaml');
    const text = configText
      .replaceAll('$PORT', this.guestEnv.PORT)
      .replaceAll('$DISCOVERY_PORT', this.guestEnv.DISCOVERY_PORT)
      .replaceAll('$ADMIN_PORT', this.guestEnv.ADMIN_PORT)
      .replaceAll('$DIR', '/tmp');
    writeFileSync(this.configFile, text);
  }

  async checkClean(): Promise<void> {
    // `daemon_stop` looks whether the daemon ends well; the guest has taken all else with it.
  }

  async stop(): Promise<void> {
    // It ended with its guest.
  }
}
