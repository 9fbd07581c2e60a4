/** Programs that the benchmark runs, and what they print. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export const root = resolve(import.meta.dirname, '..', '..');
export const serverCore = 0;
export const clientCore = 1;

/** A program whose standard output is read line by line. */
export class Program {
  readonly process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #exited: Promise<number | null>;
  #wake: () => void = () => undefined;

  constructor(
    file: string,
    args: readonly (string | number)[],
    input: 'ignore' | 'pipe' = 'ignore',
  ) {
    this.process = spawn(file, args.map(String), { stdio: [input, 'pipe', 'inherit'] });
    const { stdout } = this.process;
    if (stdout === null) throw new Error('the program has no output to read');
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.#exited = new Promise((exited) => {
      lines.on('close', () => {
        this.#wake();
      });
      this.process.once('exit', (status) => {
        exited(status);
      });
    });
  }

  /** The first line that was not asked for yet and satisfies `accept`. */
  async line(accept: (line: string) => boolean): Promise<string> {
    const ended = this.#exited.then(() => 'ended' as const);
    for (;;) {
      while (this.#lines.length > 0) {
        const line = this.#lines.shift() ?? '';
        if (accept(line)) return line;
      }
      const outcome = await Promise.race([
        ended,
        new Promise<'line'>((woken) => {
          this.#wake = () => {
            woken('line');
          };
        }),
      ]);
      if (outcome === 'ended' && this.#lines.length === 0) {
        throw new Error(`${this.process.spawnfile} ended with ${String(await this.#exited)}`);
      }
    }
  }

  /** All that is left, when it has ended well. */
  async output(): Promise<string> {
    const status = await this.#exited;
    const text = this.#lines.join('\n');
    if (status !== 0) {
      throw new Error(`${this.process.spawnfile} ended with ${String(status)}: ${text}`);
    }
    return text;
  }

  async stop(): Promise<void> {
    this.process.kill('SIGTERM');
    await this.#exited;
  }
}

export function engineProgram(name: string, args: readonly (string | number)[]): Program {
  return new Program(join(root, 'build', 'Release', name), args);
}

export function capsuled(args: readonly (string | number)[]): Program {
  return new Program(process.execPath, [join(root, 'dist', 'src', 'main.js'), ...args]);
}
