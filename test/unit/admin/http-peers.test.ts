import { once } from 'node:events';
import { type Server, type ServerResponse, createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { HttpConnection } from '../../../src/admin/http-connection.js';
import { HttpPeers, connectionOf } from '../../../src/admin/http-peers.js';
import { startAdmin } from '../../../src/admin/server.js';
import type { AdminSources } from '../../../src/admin/sources.js';
import { PeerLines } from '../../../src/subsystem/peer-lines.js';
import type { Clock } from '../../../src/subsystem/target-options.js';
import { until, within } from '../../host/bounded.js';
import { FakeClock } from '../subsystem/fake-host.js';
import { HttpClient, get } from './http-client.js';
import { sources } from './sources.js';

const listen = { address: '127.0.0.1', port: 0 };
const token = 'a-token-of-enough-length';

async function start(t: Test, from: AdminSources = sources(), clock?: Clock): Promise<string> {
  const server = await startAdmin({ listen, tokenFile: null, allowedHosts: [] }, from, clock);
  t.teardown(() => server.close());
  return server.url;
}

async function client(t: Test, url: string, address?: string): Promise<HttpClient> {
  const made = await HttpClient.connect(url, address);
  t.teardown(() => {
    made.destroy();
  });
  return made;
}

/** /healthz, by a connection of its own. */
async function health(t: Test, url: string, address?: string): Promise<void> {
  const probe = await client(t, url, address);
  probe.send(get('/healthz'));
  await probe.answered(1);
  t.match(probe.text, /^HTTP\/1.1 200 /);
  probe.destroy();
}

/** The most requests that the target was asked for in one turn of the event loop. */
class TurnCount {
  most = 0;
  total = 0;
  #now = 0;
  #isOver = false;

  constructor() {
    const turn = (): void => {
      this.most = Math.max(this.most, this.#now);
      this.#now = 0;
      if (!this.#isOver) setImmediate(turn);
    };
    turn();
  }

  readonly count = (): string[] => {
    this.#now += 1;
    this.total += 1;
    return [];
  };

  stop(): void {
    this.#isOver = true;
  }
}

t.test('a turn of the loop has one request, however many were sent at once', async (t) => {
  const turns = new TurnCount();
  const url = await start(t, { ...sources(), unreadyReasons: turns.count });
  const flood = await Promise.all([1, 2, 3, 4].map(() => client(t, url)));
  for (const peer of flood) peer.send(get('/readyz').repeat(5000));
  await health(t, url);
  await Promise.all(flood.map((peer) => peer.answered(50)));
  turns.stop();
  t.ok(turns.most <= 2, `${turns.most} requests in one turn`);
});

t.test('a connection ends with the hundredth answer', async (t) => {
  const turns = new TurnCount();
  const url = await start(t, { ...sources(), unreadyReasons: turns.count });
  const peer = await client(t, url);
  peer.send(get('/readyz').repeat(1000));
  await within(peer.over, 'the end');
  turns.stop();
  t.equal(turns.total, HttpConnection.requestsMax);
});

t.test('who asks without the token is told so once', async (t) => {
  const tokenFile = join(t.testdir({ token }), 'token');
  const server = await startAdmin({ listen, tokenFile, allowedHosts: [] }, sources());
  t.teardown(() => server.close());
  for (const request of [
    get('/metrics'),
    'GET /healthz HTTP/1.1\r\nHost: somebody.example\r\n\r\n',
    'POST /v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}',
  ]) {
    const peer = await client(t, server.url);
    peer.send(request.repeat(100));
    await within(peer.over, 'the end');
    t.match(peer.text, /^HTTP\/1.1 4[02]1 [^]*\r\nconnection: close\r\n/i);
    t.equal(peer.answers, 1);
  }
});

t.test('a refused request of which the body comes late is answered all the same', async (t) => {
  const tokenFile = join(t.testdir({ token }), 'token');
  const server = await startAdmin({ listen, tokenFile, allowedHosts: [] }, sources());
  t.teardown(() => server.close());
  const peer = await client(t, server.url);
  peer.send('POST /v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50000\r\n\r\n');
  await peer.answered(1);
  peer.socket.end('x'.repeat(50_000));
  t.equal(await within(peer.over, 'the end'), '', 'no reset');
  const endless = await client(t, server.url);
  endless.send('POST /v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n\r\n');
  await endless.answered(1);
  endless.send('x'.repeat(4_000_000));
  await within(endless.over, 'the end');
});

t.test('idle connections of one address keep nobody out, there or elsewhere', async (t) => {
  const lines: string[] = [];
  const from = sources();
  from.logger.child = (() => from.logger) as never;
  from.logger.warn = ((_fields: object, line: string) => lines.push(line)) as never;
  const url = await start(t, from);
  const idle: HttpClient[] = [];
  for (let count = 0; count < 256; count += 1) idle.push(await client(t, url));
  await health(t, url);
  await health(t, url, '127.0.0.2');
  await until('the oldest to be gone', () => idle.filter(({ isOver }) => !isOver).length <= 16);
  const kept = idle.filter(({ isOver }) => !isOver);
  t.strictSame(kept, idle.slice(-kept.length), 'the newest are left');
  t.ok(lines.length >= 1 && lines.length <= 10, `${lines.length} lines of the log`);
  t.match(lines[0], /closed an HTTP connection for another one, .* of 127\.0\.0\.1$/);
});

t.test('idle connections of many addresses keep nobody out', async (t) => {
  const url = await start(t);
  const idle: HttpClient[] = [];
  for (let count = 0; count < 320; count += 1) {
    idle.push(await client(t, url, `127.1.0.${1 + (count % 20)}`));
  }
  await health(t, url);
  t.ok(idle.filter(({ isOver }) => isOver).length >= 320 - 256);
});

t.test('what was idle for longest goes, not what was opened first', async (t) => {
  const clock = new FakeClock();
  const url = await start(t, sources(), clock);
  const old = await client(t, url);
  const idle: HttpClient[] = [];
  for (let count = 0; count < 15; count += 1) idle.push(await client(t, url));
  clock.advance(100);
  old.send(get('/healthz'));
  await old.answered(1);
  await health(t, url);
  await within(idle[0]!.over, 'the end of the one that never asked');
  old.send(get('/healthz'));
  await old.answered(2);
});

t.test('no byte renews the time for a request', async (t) => {
  const clock = new FakeClock();
  const url = await start(t, sources(), clock);
  const half = await client(t, url);
  half.send('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n');
  const blank = await client(t, url);
  const body = await client(t, url);
  body.send('POST /v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{');
  const silent = await client(t, url);
  const good = await client(t, url);
  for (let second = 0; second < 9; second += 1) {
    half.send('X: y\r\n');
    blank.send('\r\n');
    good.send(get('/healthz'));
    // The answer says that what the others sent before has been received.
    await good.answered(second + 1);
    clock.advance(1000);
  }
  const peers = [half, blank, body, silent];
  t.notOk(peers.some(({ isOver }) => isOver));
  clock.advance(1000);
  for (const peer of peers) await within(peer.over, 'the end');
  t.match(half.text, /^HTTP\/1.1 408 [^]*application\/problem\+json/);
  t.equal(silent.text, '');
  t.equal(body.answers, 1, 'it has its answer, and no other');
  good.send(get('/healthz'));
  await good.answered(10);
});

/** A server whose answers the test decides. */
async function serve(
  t: Test,
  limits: { connections: number; connectionsOfHost: number; unreadBytes: number },
  handler: Parameters<typeof createServer>[1],
): Promise<{ url: string; clock: FakeClock; server: Server; lines: string[] }> {
  const server = createServer(handler);
  const clock = new FakeClock();
  const lines: string[] = [];
  const say = (_fields: object, line: string): void => void lines.push(line);
  const logger = { info: say, warn: say, error: say, debug: () => undefined };
  new HttpPeers(new PeerLines(logger, clock), clock, limits).serve(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, clock, server, lines };
}

const roomy = { connections: 100, connectionsOfHost: 100, unreadBytes: 2 ** 30 };
/** More than the kernel takes. */
const large = Buffer.alloc(32 * 2 ** 20);

t.test('answers that nobody reads are bounded together, the oldest goes first', async (t) => {
  const limits = { ...roomy, unreadBytes: 1.5 * large.length };
  const { url, lines } = await serve(t, limits, (_request, response) => response.end(large));
  const [first, second] = [await client(t, url), await client(t, url)];
  for (const peer of [first, second]) {
    peer.socket.once('data', () => peer.socket.pause());
    peer.send(get('/'));
    await peer.answered(1);
  }
  // One more asks, and reads what it is sent.
  const third = await client(t, url);
  third.send(get('/'));
  await until('all of it', () => third.text.length > large.length);
  for (const peer of [first, second]) {
    peer.socket.resume();
    await within(peer.over, 'the end of who did not read');
    t.ok(peer.text.length < large.length);
  }
  t.match(lines[0], /^closed an HTTP connection .* too many unread bytes/);
});

t.test('an answer is taken in time, or never', async (t) => {
  const { url, clock } = await serve(t, roomy, (_request, response) => response.end(large));
  const peer = await client(t, url);
  peer.socket.once('data', () => peer.socket.pause());
  peer.send(get('/'));
  await peer.answered(1);
  const seconds = 10 + large.length / HttpConnection.answerBytesPerSecond;
  clock.advance((seconds - 1) * 1000);
  clock.advance(2000);
  peer.socket.resume();
  await within(peer.over, 'the end');
  t.ok(peer.text.length < large.length);
});

t.test('who has shown the token and waits keeps its place', async (t) => {
  const limits = { ...roomy, connectionsOfHost: 1 };
  const { url, server, lines } = await serve(t, limits, (request) => {
    connectionOf(request)?.trust();
  });
  const asked = once(server, 'request');
  const trusted = await client(t, url);
  trusted.send(get('/'));
  const [, response] = (await within(asked, 'the request')) as [unknown, ServerResponse];
  const newcomer = await client(t, url);
  await within(newcomer.over, 'the end of the newcomer');
  t.match(lines[0], /^refused an HTTP connection/);
  response.end();
  await trusted.answered(1);
  // Once it has its answer, it is as others.
  await client(t, url);
  await within(trusted.over, 'its end');
});
