/** The daemon that is measured: one bdev, one subsystem, from start to stop. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type Program, capsuled, serverCore } from './programs.js';

export const bdevBytes = 2 ** 30;

const size = String(bdevBytes);
/** Beside the configuration, with as many bits of key for the cipher. */
const keyFiles = { 128: 'aes-128.key', 256: 'aes-256.key' } as const;

/** An encrypted RAM disk. */
function encrypted(keyBits: keyof typeof keyFiles, sectorBytes: number): string {
  const base = `{ name: low, kind: malloc, size: ${size}, block_size: 4096 }`;
  const keys = `base: low, key_file: ${keyFiles[keyBits]}, sector_size: ${String(sectorBytes)}`;
  return `${base}, { name: bench, kind: crypto, ${keys} }`;
}

const bdevs = {
  null: () => `{ name: bench, kind: "null", size: ${size}, block_size: 4096 }`,
  malloc: () => `{ name: bench, kind: malloc, size: ${size}, block_size: 4096 }`,
  uring: (file: string) =>
    `{ name: bench, kind: uring, path: ${JSON.stringify(file)}, size: ${size}, create: true, block_size: 4096 }`,
  'crypto-128': () => encrypted(128, 512),
  'crypto-128-4k': () => encrypted(128, 4096),
  'crypto-256': () => encrypted(256, 512),
  'crypto-256-4k': () => encrypted(256, 4096),
} as const;

export type BdevKind = keyof typeof bdevs;
export const bdevKinds = Object.keys(bdevs) as readonly BdevKind[];
export type PollMode = 'adaptive' | 'busy' | 'interrupt';

export interface DaemonOptions {
  readonly kind: BdevKind;
  /** For its configuration, and for the file of a uring bdev. */
  readonly directory: string;
  readonly poll?: PollMode;
  /** As in config.yaml: a count, or a list of cores. */
  readonly reactors?: string;
  readonly connectionsMax?: number;
}

interface ReadyLine {
  readonly listeners: readonly { readonly port: number }[];
  readonly admin: string;
}

function configuration(options: DaemonOptions, nqn: string): string {
  const { kind, directory, poll = 'adaptive', reactors = `[${String(serverCore)}]` } = options;
  const { connectionsMax = 4096 } = options;
  return `version: 1
engine:
  reactors: ${reactors}
  memory: 128MiB
  poll: ${poll}
  connections_max: ${String(connectionsMax)}
admin: { listen: "127.0.0.1:0" }
discovery: { listeners: [] }
bdevs: [${bdevs[kind](join(directory, 'disk.img'))}]
subsystems:
  - nqn: ${nqn}
    allow_any_host: true
    listeners: [{ transport: tcp, address: 127.0.0.1, port: 0 }]
    namespaces: [{ nsid: 1, bdev: bench }]
`;
}

export class Daemon {
  readonly nqn: string;
  readonly port: number;
  readonly #program: Program;
  readonly #admin: string;

  private constructor(program: Program, nqn: string, ready: ReadyLine) {
    this.#program = program;
    this.nqn = nqn;
    this.port = ready.listeners[0]?.port ?? 0;
    this.#admin = ready.admin;
  }

  static async start(options: DaemonOptions): Promise<Daemon> {
    const { kind, poll = 'adaptive', directory } = options;
    const nqn = `nqn.2026-11.io.capsuled:bench-${kind}`;
    // Beside its configuration is its state, which is no other daemon's.
    const folder = mkdtempSync(join(directory, `${kind}-${poll}-`));
    const file = join(folder, 'config.yaml');
    writeFileSync(file, configuration(options, nqn));
    for (const [bits, name] of Object.entries(keyFiles)) {
      // XTS has two keys.
      const key = randomBytes((2 * Number(bits)) / 8);
      writeFileSync(join(folder, name), key, { mode: 0o600 });
    }
    const program = capsuled(['serve', '--config', file]);
    const line = await program.line((text) => text.includes('"msg":"ready"'));
    return new Daemon(program, nqn, JSON.parse(line) as ReadyLine);
  }

  /** For `capsuled perf`. */
  get target(): string {
    return `tcp://127.0.0.1:${String(this.port)}/${this.nqn}`;
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }

  /** Where the file of a uring bdev is. */
  static file(directory: string): string {
    return join(directory, 'disk.img');
  }

  /** The sum of a metric over all its labels. */
  async sum(...names: readonly string[]): Promise<number[]> {
    const text = await (await fetch(`${this.#admin}/metrics`)).text();
    const lines = text.split('\n');
    return names.map((name) =>
      lines
        .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
        .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0),
    );
  }

  /** Seconds of processor that all its threads have had. */
  cpuSeconds(): number {
    const tasks = `/proc/${String(this.#program.process.pid)}/task`;
    let ns = 0;
    for (const task of readdirSync(tasks)) {
      ns += Number(readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')[0]);
    }
    return ns / 1e9;
  }

  /** Memory that it occupies, bytes. */
  rssBytes(): number {
    const status = readFileSync(`/proc/${String(this.#program.process.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }
}
