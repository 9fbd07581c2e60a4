/** The most memory that a daemon takes, and the kernel for sockets; looked at each second. */

import { readFileSync } from 'node:fs';
import type { Daemon } from '../integration/daemon.js';

const pageBytes = 4096;

/** Of all TCP sockets of the machine, bytes. */
function socketBytes(): number {
  const pages = /^TCP:.* mem (\d+)$/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1];
  if (pages === undefined) throw new Error('no TCP memory in /proc/net/sockstat');
  return Number(pages) * pageBytes;
}

export class MemoryWatch {
  #residentMax = 0;
  #socketsMax = 0;
  readonly #daemon: Daemon;
  readonly #timer: NodeJS.Timeout;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
    this.#look();
    this.#timer = setInterval(() => {
      this.#look();
    }, 1000);
    this.#timer.unref();
  }

  stop(): { residentMax: number; socketsMax: number } {
    clearInterval(this.#timer);
    return { residentMax: this.#residentMax, socketsMax: this.#socketsMax };
  }

  #look(): void {
    if (!this.#daemon.process.isRunning) return;
    this.#residentMax = Math.max(this.#residentMax, this.#daemon.residentBytes);
    this.#socketsMax = Math.max(this.#socketsMax, socketBytes());
  }
}
