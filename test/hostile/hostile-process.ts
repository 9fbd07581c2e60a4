/** Hostile peers as a process of their own, whose processor time others are asked for last. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Address } from '../host/pdu-link.js';
import { hostileKinds } from './kinds.js';

const script = fileURLToPath(new URL('hostile.js', import.meta.url));
/** Who is cut off comes back so much later, so that it holds something and is not but a flood. */
const pauseMs = 1000;

export interface HostileOptions {
  readonly kind: string;
  readonly addresses: number;
  /** Of all addresses together, if not the kind's own number. */
  readonly scripts: number | undefined;
  /** It is ended before. */
  readonly seconds: number;
  readonly nqn: string;
  readonly namespaces: number;
}

export class HostileProcess {
  /** The most connections that were open at the end of a second. */
  openMax = 0;
  /** Scripts that were begun. */
  begun = 0;
  /** Why it ended by itself. */
  failure: string | undefined;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #wanted = true;

  constructor({ address, port }: Address, options: HostileOptions) {
    const { kind, addresses, seconds, nqn, namespaces } = options;
    const scripts = options.scripts ?? hostileKinds[kind]!.scripts;
    const connections = Math.ceil(scripts / addresses);
    const numbers = { addresses, connections, seconds, namespaces, pause: pauseMs };
    const words = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const args = [script, kind, `${port}`, '--nqn', nqn, '--target', address, ...words];
    const child = spawn('nice', ['-n', '19', process.execPath, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      for (const [, open, begun] of text.matchAll(/ (\d+) open, (\d+) begun/g)) {
        this.openMax = Math.max(this.openMax, Number(open));
        this.begun = Number(begun);
      }
    });
    let errorText = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errorText += text));
    this.#ended = once(child, 'close').then(([status]) => {
      if (this.#wanted) this.failure = `hostile.js ended with ${status as number}: ${errorText}`;
    });
  }

  /** All of its connections are gone then. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
