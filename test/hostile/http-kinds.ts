/** What a hostile peer does at the HTTP side-car, without its token. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { HostileKind } from './hostile-kind.js';
import type { HostileLink } from './hostile-link.js';

/** A few more than the side-car lets in. */
const scripts = 320;
const pipelined = 30_000;
const idleSeconds = 5;

function get(path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
}

function sendAll(link: HostileLink, path: string): Promise<void> {
  const request = get(path);
  link.send(Buffer.alloc(request.length * pipelined, request));
  return link.over;
}

export const httpKinds: Readonly<Record<string, HostileKind>> = {
  'http-pipeline': {
    help: 'sends 30,000 requests at once, that need no token',
    scripts,
    at: 'side-car',
    run(link) {
      link.forgetReceived();
      return sendAll(link, '/healthz');
    },
  },
  'http-refused': {
    help: 'sends 30,000 requests at once, without the token that they need',
    scripts,
    at: 'side-car',
    run(link) {
      link.forgetReceived();
      return sendAll(link, '/metrics');
    },
  },
  'http-unread': {
    help: 'sends 30,000 requests at once, and reads nothing',
    scripts,
    at: 'side-car',
    async run(link) {
      link.stopReading();
      const over = sendAll(link, '/healthz');
      // Who does not read is not told of the end.
      await Promise.race([over, sleep(idleSeconds * 1000)]);
      link.destroy();
    },
  },
  'http-idle': {
    help: 'opens connections, and asks for something now and then',
    scripts,
    at: 'side-car',
    async run(link) {
      link.forgetReceived();
      while (!link.isOver) {
        link.send(get('/healthz'));
        await Promise.race([link.over, sleep(idleSeconds * 1000)]);
      }
    },
  },
};
