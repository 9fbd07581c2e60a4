/** A peer of the side-car that has only a socket: it says what it likes, when it likes. */

import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { within } from '../../host/bounded.js';

export class HttpClient {
  /** All that came. */
  text = '';
  /** Settles when the connection is over: with the code of its error, or empty. */
  readonly over: Promise<string>;
  readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    let code = '';
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
    this.over = new Promise((resolve) => {
      socket.once('close', () => {
        resolve(code);
      });
    });
    socket.setEncoding('utf8').on('data', (text: string) => (this.text += text));
  }

  static async connect(url: string, localAddress = '127.0.0.1'): Promise<HttpClient> {
    const { hostname: host, port } = new URL(url);
    const socket = connect({ host, port: Number(port), localAddress });
    const client = new HttpClient(socket);
    await within(once(socket, 'connect'), 'a connection');
    return client;
  }

  get isOver(): boolean {
    return this.socket.destroyed;
  }

  get answers(): number {
    return this.text.split('HTTP/1.1 ').length - 1;
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** Until so many answers have begun to come. */
  async answered(count: number): Promise<void> {
    while (this.answers < count) {
      if (this.isOver) throw new Error(`over with ${this.answers} answers: ${this.text}`);
      const change = Promise.race([once(this.socket, 'data'), this.over]);
      await within(change, `${count} answers, behind ${this.answers}`);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
}
