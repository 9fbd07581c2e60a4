/** `capsuled perf` as a child process. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { within } from '../host/bounded.js';
import type { Address } from '../host/pdu-link.js';
import { subsystemNqn } from './daemon.js';
import type { Teardown } from './daemon.js';

const mainScript = fileURLToPath(new URL('../../src/main.js', import.meta.url));

export interface Place {
  readonly at: Address;
  readonly nqn?: string;
  readonly nsid?: number;
}

interface Figures {
  readonly operations: number;
  readonly bytes: number;
  readonly errors: number;
  readonly iops: number;
  readonly latency_us: Readonly<Record<string, number>>;
}

export interface Report {
  readonly seconds: number;
  readonly read: Figures;
  readonly write: Figures;
  readonly total: Figures;
  readonly reconnects: number;
  readonly verify: {
    readonly blocks_checked: number;
    readonly mismatches: number;
    readonly first: string | null;
  } | null;
  readonly failure: string | null;
  readonly first_error: string | null;
}

export interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly error: string;
}

/** A run as a process of its own, which sleeps when it has nothing to do. */
export class Perf {
  readonly #child;
  readonly #ended: Promise<Outcome>;

  constructor(t: Teardown, place: Place, args: readonly string[]) {
    const { at, nqn = subsystemNqn, nsid = 1 } = place;
    const host = at.address.includes(':') ? `[${at.address}]` : at.address;
    const url = `tcp://${host}:${at.port}/${nqn}?nsid=${nsid}`;
    const child = spawn(
      process.execPath,
      [mainScript, 'perf', url, '--poll', 'interrupt', '--warm-up', '0', ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, NO_COLOR: '1', NODE_NO_WARNINGS: '1' },
      },
    );
    this.#child = child;
    let out = '';
    let error = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
    this.#ended = once(child, 'close').then(([status]) => ({
      status: status as number | null,
      out,
      error,
    }));
    t.teardown(async () => {
      if (child.exitCode === null) child.kill('SIGKILL');
      await this.#ended;
    });
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  async outcome(): Promise<Outcome> {
    return within(this.#ended, 'the end of the run', 60_000);
  }
}

export function reportOf(
  t: Test,
  { status, out, error }: Outcome,
): Report & { readonly status: number | null } {
  t.equal(error, '', 'nothing but the report');
  return { status, ...(JSON.parse(out) as Report) };
}
