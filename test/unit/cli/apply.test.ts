import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { main } from '../../../src/cli/program.js';
import { permissions } from '../../../src/subsystem/change.js';

const TOKEN = 'a-token-of-enough-length';

/** A side-car that answers with one answer, and the requests that it got. */
async function sideCar(t: Test, status: number, answer: object) {
  const requests: { url: string; headers: IncomingMessage['headers']; body: unknown }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { url = '', headers } = request;
      requests.push({ url, headers, body: JSON.parse(body) as unknown });
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, requests };
}

async function run(...argv: string[]) {
  let out = '';
  let error = '';
  const status = await main(argv, {
    out: (text) => (out += text),
    error: (text) => (error += text),
    isTTY: false,
    color: false,
  });
  return { status, out, error };
}

const change = {
  kind: 'bdev_delete',
  key: 'bdevs[0]',
  text: 'delete bdev ram0',
  notice: 'it is a RAM disk, and its content is gone',
  needs: ['data-loss'],
};

function files(t: Test, port: number): string {
  return t.testdir({
    'c.yaml': `version: 1\nadmin: { listen: "127.0.0.1:${port}", token_file: token }\n`,
    'open.yaml': `version: 1\nadmin: { listen: "127.0.0.1:${port}" }\n`,
    'bad.yaml': 'version: 2\n',
    token: `${TOKEN}\n`,
  });
}

t.test(
  'apply asks the daemon that the file names, with its token and what is allowed',
  async (t) => {
    const { port, requests } = await sideCar(t, 200, {
      applied: true,
      file: '/c.yaml',
      changes: [change],
      warnings: ['the changed section "engine" needs a restart to take effect'],
    });
    const config = join(files(t, port), 'c.yaml');
    const done = await run('apply', '--config', config, '--allow', permissions.join(','));
    t.equal(done.status, 0);
    t.match(requests, [
      {
        url: '/v1/reload',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: { allow: [...permissions], dry_run: false },
      },
    ]);
    t.equal(
      done.out,
      'done: delete bdev ram0: it is a RAM disk, and its content is gone (allowed: data-loss)\n',
    );
    t.match(done.error, /warning: the changed section "engine" needs a restart/);
  },
);

t.test('plan, and apply --dry-run, say what would be done', async (t) => {
  const { port, requests } = await sideCar(t, 200, {
    applied: false,
    file: '/c.yaml',
    changes: [change],
    warnings: [],
  });
  const config = join(files(t, port), 'c.yaml');
  for (const argv of [['plan'], ['apply', '--dry-run']]) {
    const { status, out } = await run(...argv, '--config', config);
    t.equal(status, 0);
    t.match(out, /^would: delete bdev ram0: .* \(needs: data-loss\)\n$/);
  }
  t.match(requests, [{ body: { allow: [], dry_run: true } }, { body: { dry_run: true } }]);
  const { out } = await run('plan', '--json', '--config', config);
  t.match(JSON.parse(out), { applied: false, changes: [{ kind: 'bdev_delete' }] });
});

t.test('nothing to change is said', async (t) => {
  const { port } = await sideCar(t, 200, {
    applied: true,
    file: '/c.yaml',
    changes: [],
    warnings: [],
  });
  t.equal(
    (await run('apply', '--config', join(files(t, port), 'c.yaml'))).out,
    'nothing to change: /c.yaml is what runs\n',
  );
});

t.test('what stands in the way is said, with a status', async (t) => {
  const detail = 'nothing has changed, because permission is missing (data-loss): …';
  const { port, requests } = await sideCar(t, 409, { code: 'permission_needed', detail });
  const folder = files(t, port);
  const refused = await run('apply', '--config', join(folder, 'c.yaml'));
  t.equal(refused.status, 1);
  t.match(refused.error, detail);
  t.equal((await run('apply', '--config', join(folder, 'open.yaml'))).status, 1);
  t.equal(requests.at(-1)?.headers.authorization, undefined, 'there is no token to send');
  const wrong = await run('apply', '--config', join(folder, 'c.yaml'), '--allow', 'all');
  t.equal(wrong.status, 2);
  t.match(wrong.error, "expected data-loss or disconnect for `--allow`, got 'all'");
  const bad = await run('apply', '--config', join(folder, 'bad.yaml'));
  t.equal(bad.status, 1);
  t.match(bad.error, /bad\.yaml:1:10: error: version/);
  const nobody = await run(
    'apply',
    '--config',
    join(folder, 'c.yaml'),
    '--server',
    'http://127.0.0.1:1',
  );
  t.equal(nobody.status, 1);
  t.match(nobody.error, /no daemon answers at http:\/\/127\.0\.0\.1:1/);
});

t.test('the token that the file names is for the address that it names', async (t) => {
  const { port, requests } = await sideCar(t, 200, {
    applied: true,
    file: '/c.yaml',
    changes: [],
    warnings: [],
  });
  const folder = files(t, port);
  const config = join(folder, 'c.yaml');
  const server = ['--server', `http://127.0.0.1:${port}`];
  await run('plan', '--config', config, ...server);
  t.equal(requests.at(-1)?.headers.authorization, undefined);
  await run('plan', '--config', config, ...server, '--token-file', join(folder, 'token'));
  t.equal(requests.at(-1)?.headers.authorization, `Bearer ${TOKEN}`);
  for (const command of ['plan', 'apply', 'acknowledge']) {
    const { out } = await run(command, '--help');
    t.match(out.replace(/\s+/g, ' '), /--token-file <file> [^-]*with --server none, unless given/);
  }
});

t.test('the daemon is told which file is meant, if any is named', async (t) => {
  const { port, requests } = await sideCar(t, 200, {
    applied: false,
    file: '/etc/c.yaml',
    changes: [],
    warnings: [],
  });
  const folder = files(t, port);
  const [config, bad, link, absent] = ['c.yaml', 'bad.yaml', 'link.yaml', 'absent.yaml'].map(
    (name) => join(folder, name),
  ) as [string, string, string, string];
  symlinkSync('c.yaml', link);
  const server = ['--server', `http://127.0.0.1:${port}`];
  const plan = async (...argv: string[]) => {
    t.equal((await run('plan', ...argv)).status, 0);
    return (requests.at(-1)?.body as { file?: string }).file;
  };
  t.equal(await plan('--config', config), config);
  t.equal(await plan('--config', link), config);
  t.equal(await plan('--config', config, ...server), config);
  t.equal(await plan(...server), undefined, 'the daemon’s own');
  // What is in the file is for the daemon to judge.
  t.equal(await plan('--config', bad, ...server), bad);
  t.equal(await plan('--config', absent, ...server), absent);
});

t.test('a daemon that reads another file is heard', async (t) => {
  const detail = 'nothing has changed: the daemon reads /etc/c.yaml, not /tmp/c.bak';
  const { port } = await sideCar(t, 409, { code: 'file_differs', detail });
  const refused = await run('apply', '--config', join(files(t, port), 'c.yaml'));
  t.match(refused, { status: 1, error: `capsuled: error: ${detail}\n` });
});
