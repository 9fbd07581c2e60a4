/**
 * The outer machine's side of a behaviour. The guest asks for an action with an HTTP request to
 * 10.0.2.2 (`outer NAME ARGUMENT…` in its script) and waits for the answer; the first line of the
 * answer is `ok` or `failed`.
 */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { OuterSide } from './behaviour.js';
import { Daemon } from './daemon.js';
import type { Guest } from './guest.js';
import type { Target } from './target.js';

export class Outer {
  guest: Guest | undefined;
  /** For the actions of one behaviour to remember things in. */
  readonly notes = new Map<string, unknown>();
  private server: Server | undefined;

  constructor(
    readonly target: Target,
    readonly side: OuterSide | undefined,
  ) {}

  /** The daemon; only for behaviours that need capsuled. */
  get daemon(): Daemon {
    if (this.target instanceof Daemon) return this.target;
    throw new Error('this behaviour needs capsuled');
  }

  /** Listens for the guest; gives the port. */
  async listen(): Promise<number> {
    this.server = createServer((request, response) => {
      const [name = '', ...args] = (request.url ?? '').slice(1).split('/').map(decodeURIComponent);
      this.act(name, args).then(
        (answer) => response.end(`ok\n${answer}`),
        (error: unknown) => response.end(`failed\n${error instanceof Error ? error.message : ''}`),
      );
    });
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('no port for the guest');
    return address.port;
  }

  close(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }

  private async act(name: string, args: string[]): Promise<string> {
    const action = this.side?.actions[name];
    if (action === undefined) throw new Error(`no action ${name}`);
    return (await action(this, ...args)) ?? '';
  }
}
