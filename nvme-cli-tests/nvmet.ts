/**
 * Linux's own target, nvmet, in a second guest: what a behaviour shows here it may ask of anyone.
 * It proves the behaviour files, not the daemon.
 */
import { join } from 'node:path';
import type { RunnerKind } from './behaviour.js';
import { Guest } from './guest.js';
import { freePort, until, type Target } from './target.js';

export class Nvmet implements Target {
  private guest: Guest | undefined;
  private port = 0;

  constructor(
    private readonly testbed: string,
    private readonly runner: RunnerKind,
    private readonly folder: string,
  ) {}

  get log(): string {
    return this.guest?.output ?? '';
  }

  get guestEnv(): Record<string, string> {
    return {
      KIND: 'nvmet',
      PORT: String(this.port),
      DISCOVERY_PORT: String(this.port),
      ADMIN_PORT: '',
      TRADDR: '10.0.2.15',
      LISTENERS: ['one', 'two'].map((n) => `nqn.2026-11.test.capsuled:${n}=4420`).join(' '),
    };
  }

  async start(): Promise<void> {
    this.port = await freePort();
    this.guest = new Guest({
      testbed: this.testbed,
      runner: this.runner,
      script: join(this.testbed, 'nvmet-target.sh'),
      consolePath: join(this.folder, 'nvmet-console'),
      smp: 1,
      timeoutSeconds: 600,
      env: {},
      files: [],
      forward: [`${String(this.port)}:4420`],
    });
    await until('nvmet', 60, () => (this.log.includes('ready\n') ? true : undefined));
  }

  async checkClean(): Promise<void> {
    // The kernel looks after its own.
  }

  async stop(): Promise<void> {
    await this.guest?.kill();
  }
}
