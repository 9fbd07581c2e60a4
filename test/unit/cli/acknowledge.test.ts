import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { acknowledge } from '../../../src/cli/acknowledge.js';
import type { Terminal } from '../../../src/cli/terminal.js';

const token = 'a-token-of-enough-length';

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly authorization: string | undefined;
}

/** A daemon that answers everything so; and what it was asked. */
async function daemon(t: { teardown: (end: () => void) => void }, status: number, body: unknown) {
  const asked: Asked[] = [];
  const server = createServer(({ method, url, headers }, response) => {
    asked.push({ method, url, authorization: headers.authorization });
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return { asked, port: (server.address() as AddressInfo).port };
}

function terminal(): Terminal & { text: () => string } {
  let text = '';
  const out = (more: string): void => {
    text += more;
  };
  return { out, error: out, isTTY: false, color: false, text: () => text };
}

t.test('the configuration says where the daemon is, and its token', async (t) => {
  const { asked, port } = await daemon(t, 200, { name: 'file 0', state: 'ok' });
  const folder = t.testdir({
    token,
    'c.yaml': `version: 1\nadmin: { listen: "127.0.0.1:${port}", token_file: token }\n`,
  });
  const screen = terminal();
  t.equal(await acknowledge('file 0', { config: join(folder, 'c.yaml') }, screen), 0);
  t.equal(screen.text(), 'file 0: acknowledged\n');
  t.same(asked, [
    {
      method: 'POST',
      url: '/v1/bdevs/file%200/acknowledge',
      authorization: `Bearer ${token}`,
    },
  ]);
});

t.test('options say it instead', async (t) => {
  const { asked, port } = await daemon(t, 200, {});
  const folder = t.testdir({ token });
  const words = {
    config: join(folder, 'none.yaml'),
    server: `http://127.0.0.1:${port}`,
    tokenFile: join(folder, 'token'),
  };
  t.equal(await acknowledge('file0', words, terminal()), 0);
  t.match(asked, [{ authorization: `Bearer ${token}` }]);
});

t.test('what the daemon refuses is the error', async (t) => {
  const detail = 'file0 cannot be acknowledged: a flush still fails';
  const { port } = await daemon(t, 422, { code: 'bdev_failed', detail });
  const words = { config: '/none/c.yaml', server: `http://127.0.0.1:${port}` };
  await t.rejects(acknowledge('file0', words, terminal()), {
    code: 'bdev_failed',
    message: detail,
  });
});

t.test('an address that is none, or where nobody answers, is said', async (t) => {
  const config = '/none/c.yaml';
  await t.rejects(acknowledge('file0', { config, server: 'here' }, terminal()), {
    code: 'argument_invalid',
  });
  const { port } = await daemon(t, 200, {});
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const free = (closed.address() as AddressInfo).port;
  await new Promise((resolve) => closed.close(resolve));
  t.not(free, port);
  const server = `http://127.0.0.1:${free}`;
  await t.rejects(acknowledge('file0', { config, server }, terminal()), {
    code: 'not_ready',
    message: new RegExp(`^no daemon answers at ${server}: .*ECONNREFUSED`),
  });
});

t.test('a port that the configuration leaves open must be said', async (t) => {
  const folder = t.testdir({ 'c.yaml': 'version: 1\nadmin: { listen: "127.0.0.1:0" }\n' });
  await t.rejects(acknowledge('file0', { config: join(folder, 'c.yaml') }, terminal()), {
    code: 'argument_invalid',
    field: '--server',
  });
});
