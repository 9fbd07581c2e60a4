import t, { type Test } from 'tap';
import { startAdmin } from '../../../src/admin/server.js';
import { within } from '../../host/bounded.js';
import { HttpClient, get } from './http-client.js';
import { sources } from './sources.js';

async function start(t: Test): Promise<string> {
  const listen = { address: '127.0.0.1', port: 0 };
  const server = await startAdmin({ listen, tokenFile: null, allowedHosts: [] }, sources());
  t.teardown(() => server.close());
  return server.url;
}

/** Sends it, and says what came until the connection ended. */
async function exchange(t: Test, url: string, bytes: string): Promise<string> {
  const client = await HttpClient.connect(url);
  t.teardown(() => {
    client.destroy();
  });
  client.send(bytes);
  await client.answered(1);
  client.socket.end();
  t.equal(await within(client.over, 'the end'), '', 'the answer is not lost');
  return client.text;
}

const host = 'Host: 127.0.0.1\r\n';

t.test('whatever is wrong with a request, the answer is a problem', async (t) => {
  const url = await start(t);
  for (const [request, status, detail] of [
    [`FOO / HTTP/1.1\r\n${host}\r\n`, 400, /^expected a method that HTTP has$/],
    ['no HTTP at all\r\n\r\n', 400, /^expected /],
    [`GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(20_000)}\r\n\r\n`, 431, /at most 16 KiB$/],
    [get(`/v1/subsystems/${'x'.repeat(600)}`), 414, /max param length/],
    [get('/v1/subsystems/%ff'), 400, /^expected a path in UTF-8, .* \/v1\/subsystems\/%ff$/],
    [get('/v1/bdevs/%ff/acknowledge').replace('GET', 'POST'), 400, /%ff/],
    [get('/healthz').replace('GET', 'PROPFIND'), 405, /GET, HEAD/],
    [get('/nothing').replace('GET', 'SEARCH'), 404, /SEARCH \/nothing$/],
    [`CONNECT example.com:80 HTTP/1.1\r\n${host}\r\n`, 400, /CONNECT$/],
    [`GET / HTTP/1.1\r\n${host}Expect: tea\r\n\r\n`, 417, /100-continue .* got tea$/],
    ['GET /healthz HTTP/1.1\r\n\r\n', 400, /for `host`, got nothing$/],
    [`POST /v1/reload HTTP/1.1\r\n${host}Content-Length: x\r\n\r\n`, 400, /^expected /],
  ] as const) {
    const answer = await exchange(t, url, request);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    const name = request.slice(0, 30);
    t.match(head, new RegExp(`^HTTP/1.1 ${status} `), name);
    t.match(head, /\r\ncontent-type: application\/problem\+json/i, name);
    t.match(JSON.parse(body), { status, code: /^[a-z_]+$/, detail }, name);
  }
});

t.test('what follows a request that is none is not looked at', async (t) => {
  const url = await start(t);
  const bad = `FOO / HTTP/1.1\r\n${host}\r\n`;
  const answer = await exchange(t, url, bad + get('/healthz').repeat(100));
  t.equal(answer.split('HTTP/1.1 ').length - 1, 1);
});

t.test('HTTP/1.0 needs no Host', async (t) => {
  const url = await start(t);
  t.match(await exchange(t, url, 'GET /healthz HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 200 /);
});
