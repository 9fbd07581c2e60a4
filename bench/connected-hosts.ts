/**
 * Hosts that connect to a daemon and then do nothing, in processes of their own: bench/hosts.ts.
 */

import { join } from 'node:path';

import type { Daemon } from './daemon.js';
import { Program, root } from './programs.js';

export class ConnectedHosts {
  readonly #programs: readonly Program[];
  /** How long it took until all were connected. */
  readonly milliseconds: number;

  private constructor(programs: readonly Program[], milliseconds: number) {
    this.#programs = programs;
    this.milliseconds = milliseconds;
  }

  /** `hosts` in each of `processes`, with an admin queue and `ioQueues` each, all at once. */
  static async connect(
    daemon: Daemon,
    {
      processes,
      hosts,
      ioQueues,
    }: { readonly processes: number; readonly hosts: number; readonly ioQueues: number },
  ): Promise<ConnectedHosts> {
    const script = join(root, 'dist', 'bench', 'hosts.js');
    const args = [script, daemon.port, daemon.nqn, hosts, ioQueues];
    const programs = Array.from(
      { length: processes },
      () => new Program(process.execPath, args, 'pipe'),
    );
    const lines = await Promise.all(programs.map((program) => program.line(() => true)));
    return new ConnectedHosts(programs, Math.max(...lines.map(Number)));
  }

  async end(): Promise<void> {
    for (const program of this.#programs) program.process.stdin?.end();
    await Promise.all(this.#programs.map((program) => program.output()));
  }
}
