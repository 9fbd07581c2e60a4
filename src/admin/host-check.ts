/**
 * Which Host headers are answered. A page of somebody else can make a browser ask for its own name
 * while that name points here (DNS rebinding); such a request names a host that this is not. An
 * address is its own name: a page that a browser got from it is ours, however the address is
 * translated on the way.
 */

import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { TargetError } from '../errors.js';
import { printable } from '../printable.js';

export function checkHosts(app: FastifyInstance, allowedHosts: readonly string[]): void {
  const allowed = new Set(allowedHosts.map((name) => name.toLowerCase()));
  app.addHook('onRequest', async (request, reply) => {
    const { host } = request.headers;
    if (host === undefined) {
      // No browser speaks that, and it needs none.
      if (request.raw.httpVersion === '1.0') return;
      reply.header('connection', 'close');
      throw TargetError.expected('argument_invalid', 'the header', 'host', host);
    }
    const name = nameOf(host);
    if (allowed.has(name) || isNobodysName(name)) return;
    reply.header('connection', 'close');
    throw new TargetError(
      'misdirected',
      `expected an address, localhost, or a name of admin.allowed_hosts in the Host header, ` +
        `got ${printable(host)}`,
      { field: 'host' },
    );
  });
}

/** Without the port, the brackets of IPv6 and the dot that may end a name. */
function nameOf(host: string): string {
  const name = /^\[([^\]]*)\](?::\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, '');
  return name.toLowerCase().replace(/\.$/, '');
}

/** What no name server can make point elsewhere. */
function isNobodysName(name: string): boolean {
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost');
}
