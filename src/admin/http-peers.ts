/**
 * The connections of the side-car: how many, from whom, and which of them goes when there are more.
 * Nobody is refused who can have the place of another: of the host that has the most of what there
 * is too much of, the connection goes that has been useless for longest. Only who has shown the
 * token and waits for an answer keeps its place.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { PeerLines } from '../subsystem/peer-lines.js';
import { type Clock, systemClock } from '../subsystem/target-options.js';
import { HttpConnection, type HttpPeerState } from './http-connection.js';
import { HttpTurns } from './http-turns.js';

export interface HttpLimits {
  readonly connections: number;
  readonly connectionsOfHost: number;
  /** Of all answers together that peers have not taken; one answer is always allowed. */
  readonly unreadBytes: number;
}

export const httpLimits: HttpLimits = {
  connections: 256,
  connectionsOfHost: 16,
  unreadBytes: 32 * 2 ** 20,
};

type Resource = 'connections' | 'unread_bytes';

/** Who owes us most goes first. */
const usefulness: Readonly<Record<HttpPeerState, number>> = { asking: 0, taking: 1, waiting: 2 };

export class HttpPeers {
  static readonly sweepMs = 1000;

  readonly #lines: PeerLines;
  readonly #clock: Clock;
  readonly #limits: HttpLimits;
  readonly #turns = new HttpTurns();
  readonly #connections = new Set<HttpConnection>();
  readonly #limitCounts = new Map<Resource, number>([
    ['connections', 0],
    ['unread_bytes', 0],
  ]);
  #isSweeping = false;

  constructor(lines: PeerLines, clock: Clock = systemClock, limits: HttpLimits = httpLimits) {
    this.#lines = lines;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** How many connections were refused, or lost to others, since the start. */
  get limitCounts(): ReadonlyMap<string, number> {
    return this.#limitCounts;
  }

  /** Comes between this server and its sockets. */
  serve(server: Server): void {
    const serveHttp = server.listeners('connection') as ((socket: HttpConnection) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      const connection = this.#admit(socket, server);
      if (connection === undefined) return;
      for (const listener of serveHttp) listener.call(server, connection);
    });
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      connectionOf(request)?.begin(request, response);
    });
  }

  #admit(socket: Socket, server: Server): HttpConnection | undefined {
    const { remoteAddress } = socket;
    // It has gone already.
    if (remoteAddress === undefined) {
      socket.destroy();
      return undefined;
    }
    const connection = new HttpConnection(socket, {
      turns: this.#turns,
      nowMs: () => this.#clock.nowMs(),
      onUnread: () => {
        this.#boundUnread();
      },
    });
    if (!this.#makeRoom(connection.host)) {
      this.#say(connection.host, 'connections', 'refused an HTTP connection');
      connection.reset();
      return undefined;
    }
    this.#connections.add(connection);
    connection.once('close', () => this.#connections.delete(connection));
    this.#sweepLater(server);
    return connection;
  }

  #makeRoom(host: string): boolean {
    const { connections, connectionsOfHost } = this.#limits;
    const ofHost = [...this.#connections].filter((connection) => connection.host === host);
    if (ofHost.length >= connectionsOfHost) return this.#displace(ofHost, 'connections');
    if (this.#connections.size < connections) return true;
    return this.#displace(
      this.#ofGreatest(() => 1),
      'connections',
    );
  }

  #boundUnread(): void {
    for (;;) {
      const debtors = [...this.#connections].filter(({ unreadBytes }) => unreadBytes > 0);
      const bytes = debtors.reduce((sum, { unreadBytes }) => sum + unreadBytes, 0);
      if (bytes <= this.#limits.unreadBytes || debtors.length < 2) return;
      const ofGreatest = this.#ofGreatest(({ unreadBytes }) => unreadBytes);
      const taking = ofGreatest.filter(({ unreadBytes }) => unreadBytes > 0);
      if (!this.#displace(taking, 'unread_bytes')) return;
    }
  }

  /** The connections of the host that has the most. */
  #ofGreatest(amount: (connection: HttpConnection) => number): HttpConnection[] {
    const sums = new Map<string, number>();
    for (const connection of this.#connections) {
      sums.set(connection.host, (sums.get(connection.host) ?? 0) + amount(connection));
    }
    const [greatest] = [...sums].sort(([, left], [, right]) => right - left);
    return [...this.#connections].filter(({ host }) => host === greatest?.[0]);
  }

  /** False: each of them waits for an answer, with the token. */
  #displace(candidates: readonly HttpConnection[], resource: Resource): boolean {
    const [first] = candidates
      .filter(({ isTrusted }) => !isTrusted)
      .sort(
        (left, right) =>
          usefulness[left.state] - usefulness[right.state] || left.sinceMs - right.sinceMs,
      );
    if (first === undefined) return false;
    this.#say(first.host, resource, 'closed an HTTP connection for another one');
    this.#end(first);
    return true;
  }

  #sweep(server: Server): void {
    const nowMs = this.#clock.nowMs();
    for (const connection of [...this.#connections]) {
      if (connection.dueMs > nowMs) continue;
      if (connection.hasBegun) server.emit('clientError', lateRequest(), connection);
      else this.#end(connection);
    }
    if (this.#connections.size > 0) this.#sweepLater(server);
  }

  #sweepLater(server: Server): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#clock.after(HttpPeers.sweepMs, () => {
      this.#isSweeping = false;
      this.#sweep(server);
    });
  }

  #end(connection: HttpConnection): void {
    this.#connections.delete(connection);
    connection.reset();
  }

  #say(address: string, resource: Resource, what: string): void {
    this.#limitCounts.set(resource, (this.#limitCounts.get(resource) ?? 0) + 1);
    const many = resource.replace('_', ' ');
    const message = `${what}, because there are too many ${many}, most of them of ${address}`;
    this.#lines.write('warn', 'http_limited', address, { resource, address }, message);
  }
}

/** Undefined: a test injected the request. */
export function connectionOf(request: IncomingMessage): HttpConnection | undefined {
  const socket: unknown = request.socket;
  return socket instanceof HttpConnection ? socket : undefined;
}

function lateRequest(): Error {
  const message = `expected a whole request within ${String(HttpConnection.requestMs / 1000)} s`;
  return Object.assign(new Error(message), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
}
