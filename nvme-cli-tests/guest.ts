/**
 * One boot of the guest: a runner script of `testbed/` as a child process. Its output is the
 * guest's, byte for byte; whatever ends it ends the guest.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RunnerKind } from './behaviour.js';

export interface GuestOptions {
  readonly testbed: string;
  readonly runner: RunnerKind;
  readonly script: string;
  /** Where the kernel's console goes. */
  readonly consolePath: string;
  readonly smp: number;
  /** With an IOMMU and NVMe drives, and its monitor at this socket. */
  readonly drivesMonitor?: string;
  readonly timeoutSeconds: number;
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  /** This machine's file system is at /host, and `in-host` runs its programs. */
  readonly hostRoot?: boolean;
  readonly forward?: readonly string[];
  readonly onOutput?: (text: string) => void;
}

export interface GuestEnd {
  /** The script's; 124 after the time-out, 125 when the guest ended without one. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Guest {
  readonly ended: Promise<GuestEnd>;
  private readonly child: ChildProcess;
  private readonly options: GuestOptions;
  private text = '';

  constructor(options: GuestOptions) {
    this.options = options;
    const args = ['--timeout', String(options.timeoutSeconds), '--log', options.consolePath];
    if (options.runner === 'qemu') args.push('--smp', String(options.smp));
    for (const [name, value] of Object.entries(options.env)) args.push('--env', `${name}=${value}`);
    for (const file of options.files) args.push('--file', file);
    if (options.drivesMonitor !== undefined) {
      args.push('--viommu', '--mem', '2500', '--qmp', options.drivesMonitor);
      args.push(
        '--nvme',
        '64M',
        '--nvme-ns',
        '64M,logical_block_size=4096,physical_block_size=4096',
        '--nvme',
        '64M',
      );
    }
    if (options.hostRoot === true) args.push('--host-root');
    for (const forward of options.forward ?? []) args.push('--forward', forward);
    this.child = spawn(join(options.testbed, `run-${options.runner}`), [...args, options.script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.text += chunk;
        options.onOutput?.(chunk);
      });
    }
    this.ended = once(this.child, 'close').then((all) => {
      const [status, signal] = all as [number | null, NodeJS.Signals | null];
      return { status, signal };
    });
  }

  get output(): string {
    return this.text;
  }

  /** The last lines of the kernel's console. */
  consoleTail(lines: number): string {
    const text = readFileSync(this.options.consolePath, 'utf8').trimEnd();
    return text.split('\n').slice(-lines).join('\n');
  }

  /** Has QEMU's monitor carry out a command. Throws what it says if it does not. */
  async qmp(command: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const socket = connect(this.options.drivesMonitor ?? '');
    try {
      const lines = createInterface({ input: socket });
      const answers = lines[Symbol.asyncIterator]();
      const ask = async (execute: string, args: object): Promise<void> => {
        socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
        for (;;) {
          const line: IteratorResult<string, undefined> = await answers.next();
          if (line.done === true) throw new Error(`the monitor closed at ${execute}`);
          const answer = JSON.parse(line.value) as { return?: object; error?: { desc: string } };
          if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc}`);
          // Events, and the greeting, are no answers.
          if (answer.return !== undefined) return;
        }
      };
      await ask('qmp_capabilities', {});
      await ask(command, parameters);
    } finally {
      socket.destroy();
    }
  }

  /** Kills the guest where it stands, without a word to the target. */
  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    await this.ended;
  }
}
