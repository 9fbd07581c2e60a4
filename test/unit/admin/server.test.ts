import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { TokenFile } from '../../../src/admin/authorization.js';
import { createApp, startAdmin } from '../../../src/admin/server.js';
import type { AdminSources } from '../../../src/admin/sources.js';
import { DeviceList, type DeviceView } from '../../../src/device/device-list.js';
import { FormerDrivers } from '../../../src/device/former-drivers.js';
import { PermissionError } from '../../../src/subsystem/change.js';
import { machineWithDrive } from '../device/made-machine.js';
import { HOST, NQN, fakeTarget, subsystem } from '../metrics/fake-target.js';
import { sources } from './sources.js';

const TOKEN = 'a token of enough length'.replaceAll(' ', '-');

t.test('the probes say alive and ready, and why not', async (t) => {
  const from = sources();
  const app = await createApp(from, null);
  t.strictSame((await app.inject('/healthz')).json(), { status: 'ok' });
  t.strictSame((await app.inject('/readyz')).json(), { status: 'ready' });
  from.reasons.push('no listener');
  const response = await app.inject('/readyz');
  t.equal(response.statusCode, 503);
  t.strictSame(response.json(), { status: 'unready', reasons: ['no listener'] });
  await app.close();
});

t.test('metrics are text, by the Accept header', async (t) => {
  const app = await createApp(sources(), null);
  const plain = await app.inject('/metrics');
  t.match(plain.headers['content-type'], /^text\/plain; version=0.0.4/);
  t.match(plain.body, /^# HELP capsuled_build_info /m);
  const headers = { accept: 'application/openmetrics-text' };
  const open = await app.inject({ url: '/metrics', headers });
  t.match(open.headers['content-type'], /^application\/openmetrics-text/);
  await app.close();
});

t.test('every resource answers what it documents', async (t) => {
  const app = await createApp(sources(), null);
  const get = async (url: string) => (await app.inject(url)).json<Record<string, unknown>>();
  const one = encodeURIComponent(NQN);
  t.match(await get('/v1/subsystems'), {
    items: [{ nqn: NQN, serial: 'S1', namespace_count: 1, controller_count: 1 }],
    total: 1,
    limit: 100,
    offset: 0,
  });
  t.match(await get(`/v1/subsystems/${one}`), { nqn: NQN, cntlid_range: [1, 65519] });
  t.match(await get(`/v1/subsystems/${NQN}/namespaces`), {
    items: [{ nsid: 1, bdev: 'ram0', eui64: null, block_count: 2048 }],
  });
  t.match(await get(`/v1/subsystems/${one}/hosts`), { items: [{ nqn: HOST }] });
  t.match(await get(`/v1/subsystems/${one}/listeners`), {
    items: [{ transport: 'tcp', port: 0, actual: { address: '127.0.0.1', port: 4420 } }],
  });
  t.match(await get('/v1/controllers'), {
    items: [{ cntlid: 1, host_nqn: HOST, qids: [0, 1], connected_at: '1970-01-01T00:00:00.000Z' }],
  });
  t.match(await get('/v1/connections'), { items: [{ connection: 1, qid: 0 }, { qid: 1 }] });
  t.match(await get('/v1/bdevs'), {
    items: [
      {
        name: 'ram0',
        size: 1 << 20,
        namespace: { subsystem: NQN, nsid: 1 },
        configuration: { name: 'ram0', kind: 'malloc', size: '1MiB', block_size: 512 },
      },
    ],
  });
  t.match(await get('/v1/reactors'), {
    items: [{ reactor: 0, core: 1, connection_count: 2, statistics: { busy_ns: 0 } }, {}],
  });
  t.match(await get('/v1/devices'), { items: [], total: 0 });
  t.match(await get('/v1/config'), { version: 1, bdevs: [{ name: 'ram0' }] });
  await app.close();
});

t.test('devices are those of the machine, as they are when asked for', async (t) => {
  const machine = machineWithDrive(t.testdir());
  machine.addDevice({ address: '0000:02:00.0', driver: 'vfio-pci', group: 5 });
  const list = new DeviceList({ files: machine, former: new FormerDrivers(machine, '/run/x') });
  const app = await createApp(sources({ devices: () => list.read() }), null);
  const get = async (query: string) =>
    (await app.inject(`/v1/devices${query}`)).json<{ items: DeviceView[]; total: number }>();
  const { items, total } = await get('');
  t.equal(total, 2);
  t.strictSame(items, await list.read());
  const sorted = async (query: string) =>
    (await get(query)).items.map(({ address }) => address.slice(5, 7)).join(' ');
  t.equal(await sorted('?sort=iommu_group'), '02 01');
  t.equal(await sorted('?sort=-address&limit=1'), '02');
  t.equal(await sorted('?sort=size'), '01 02', 'what is not known goes last');
  machine.put('/proc/swaps', 'Filename\n/dev/nvme0n1 partition 1 0 -2\n');
  t.match(await get('?limit=1'), { items: [{ in_use_by: [{ kind: 'swap' }] }] });
  const { properties } = (await app.inject('/openapi.json')).json<OpenApi>().paths['/v1/devices']!
    .get.responses['200']!.content['application/json']!.schema.properties.items.items;
  t.strictSame(Object.keys(properties), Object.keys(items[0]!));
  machine.take('/sys');
  const refused = await app.inject('/v1/devices');
  t.equal(refused.statusCode, 503);
  t.match(refused.json(), { code: 'platform_unsupported', detail: /^sysfs is not mounted/ });
  await app.close();
});

interface OpenApi {
  readonly paths: Record<
    string,
    {
      get: {
        responses: Record<
          string,
          {
            content: Record<
              string,
              { schema: { properties: { items: { items: { properties: object } } } } }
            >;
          }
        >;
      };
    }
  >;
}

t.test('lists are windows of bounded size, sorted as asked', async (t) => {
  const target = fakeTarget();
  target.subsystems = ['b', 'a', 'c'].map((name) => subsystem({ nqn: `nqn.2026-11.x:${name}` }));
  const app = await createApp(sources({ target }), null);
  const names = async (query: string) => {
    const { items } = (await app.inject(`/v1/subsystems?${query}`)).json<{
      items: { nqn: string }[];
    }>();
    return items.map(({ nqn }) => nqn.slice(-1)).join('');
  };
  t.equal(await names(''), 'abc');
  t.equal(await names('sort=-nqn'), 'cba');
  t.equal(await names('limit=1&offset=1'), 'b');
  t.equal(await names('offset=7'), '');
  const limit = 'an integer from 1 to 1000 for `limit`';
  for (const [query, field, detail] of [
    ['limit=0', 'limit', `expected ${limit}, got 0`],
    ['limit=1001', 'limit', `expected ${limit}, got 1001`],
    ['limit=x', 'limit', `expected ${limit}, got 'x'`],
    ['limit=1e2', 'limit', `expected ${limit}, got '1e2'`],
    ['limit=', 'limit', `expected ${limit}, got ''`],
    ['offset=-1', 'offset', 'expected an integer from 0 to 1000000 for `offset`, got -1'],
    ['sort=model', 'sort', /^expected one of nqn, -nqn, .* for `sort`, got 'model'$/],
    ['page=2', 'page', 'expected one of limit, offset, sort, got the unknown parameter `page`'],
  ] as const) {
    const response = await app.inject(`/v1/subsystems?${query}`);
    t.equal(response.statusCode, 400, query);
    t.match(response.json(), { code: 'argument_invalid', status: 400, field, detail });
  }
  await app.close();
});

t.test('what has no value to sort by goes last, in either direction', async (t) => {
  const target = fakeTarget();
  const [one] = target.connections;
  target.connections = ['b', null, 'a'].map((hostNqn) => ({ ...one!, hostNqn }));
  const app = await createApp(sources({ target }), null);
  for (const [sort, names] of [
    ['host_nqn', ['a', 'b', null]],
    ['-host_nqn', ['b', 'a', null]],
  ] as const) {
    const { items } = (await app.inject(`/v1/connections?sort=${sort}`)).json<{
      items: { host_nqn: string | null }[];
    }>();
    t.strictSame(
      items.map(({ host_nqn }) => host_nqn),
      names,
    );
  }
  await app.close();
});

t.test('errors are problems with a code', async (t) => {
  const from = sources();
  const app = await createApp(from, null);
  for (const url of ['/nothing', '/v1/nothing', '/v1/subsystems/nqn.2026-11.x:none']) {
    const response = await app.inject(url);
    t.equal(response.statusCode, 404, url);
    t.match(response.headers['content-type'], /^application\/problem\+json/);
    t.match(response.json(), {
      type: 'urn:capsuled:error:not_found',
      title: 'There is no such thing',
      code: 'not_found',
    });
  }
  const broken = { ...from.target };
  Object.defineProperty(broken, 'controllers', {
    get: () => {
      throw new Error('secret detail');
    },
  });
  const other = await createApp(sources({ target: broken }), null);
  const response = await other.inject('/v1/controllers');
  t.equal(response.statusCode, 500);
  t.match(response.json(), { code: 'internal' });
  t.notMatch(response.body, /secret/);
  await app.close();
  await other.close();
});

t.test('who has the current answer is told so', async (t) => {
  const from = sources();
  const app = await createApp(from, null);
  const first = await app.inject('/v1/subsystems');
  const etag = String(first.headers.etag);
  t.match(etag, /^"[\w-]{22}"$/);
  const headers = { 'if-none-match': `W/"x", ${etag}` };
  const again = await app.inject({ url: '/v1/subsystems', headers });
  t.equal(again.statusCode, 304);
  t.equal(again.body, '');
  t.equal(again.headers.etag, etag);
  (from.target as ReturnType<typeof fakeTarget>).subsystems = [subsystem({ serial: 'S2' })];
  t.equal((await app.inject({ url: '/v1/subsystems', headers })).statusCode, 200);
  await app.close();
});

t.test('with a token, all but the probes need it', async (t) => {
  const file = join(t.testdir({ token: `${TOKEN}\n` }), 'token');
  const app = await createApp(sources(), await TokenFile.open(file));
  t.equal((await app.inject('/healthz')).statusCode, 200);
  t.equal((await app.inject('/readyz')).statusCode, 200);
  for (const authorization of [undefined, `Basic ${TOKEN}`, 'Bearer', `Bearer ${TOKEN}x`]) {
    const headers = authorization === undefined ? {} : { authorization };
    for (const url of ['/metrics', '/v1/subsystems', '/openapi.json', '/nothing']) {
      const response = await app.inject({ url, headers });
      t.equal(response.statusCode, 401, `${url} ${String(authorization)}`);
      t.match(response.json(), { code: 'unauthorized' });
    }
  }
  const headers = { authorization: `Bearer ${TOKEN}` };
  t.equal((await app.inject({ url: '/v1/subsystems', headers })).statusCode, 200);
  await app.close();
});

t.test('why the target is not ready is for who may see what it serves', async (t) => {
  const from = sources();
  from.reasons.push('bdev file0: /srv/customer-7/disk.img: there is no such file');
  const app = await createApp(from, await tokenFile(t));
  for (const authorization of ['', `Bearer ${TOKEN}x`, `Basic ${TOKEN}`]) {
    const response = await app.inject({ url: '/readyz', headers: { authorization } });
    t.equal(response.statusCode, 503);
    t.strictSame(response.json(), { status: 'unready' });
  }
  const { reasons } = from;
  const told = await app.inject({ url: '/readyz', headers });
  t.strictSame(told.json(), { status: 'unready', reasons });
  await app.close();
});

t.test('the token that is read again counts once it is put into force', async (t) => {
  const file = join(t.testdir({ token: TOKEN }), 'token');
  const token = await TokenFile.open(file);
  const other = `${TOKEN}-2`;
  writeFileSync(file, other);
  const use = await token.reread();
  t.strictSame([token.matches(TOKEN), token.matches(other)], [true, false]);
  use();
  t.strictSame([token.matches(TOKEN), token.matches(other)], [false, true]);
  writeFileSync(file, 'short');
  await t.rejects(token.reread(), { code: 'configuration_invalid', field: 'admin.token_file' });
  rmSync(file);
  await t.rejects(token.reread(), {
    message: `the token cannot be read from ${file}: there is no such file`,
  });
  t.ok(token.matches(other));
});

t.test('a method that a path does not have is refused with those that it has', async (t) => {
  const app = await createApp(sources(), null);
  for (const [method, url] of [
    ['POST', '/v1/connections'],
    ['DELETE', '/healthz'],
    ['PATCH', '/v1/bdevs?limit=1'],
    ['PUT', `/v1/subsystems/${encodeURIComponent(NQN)}/hosts`],
    ['OPTIONS', '/openapi.json'],
  ] as const) {
    const response = await app.inject({ method, url });
    t.equal(response.statusCode, 405, `${method} ${url}`);
    t.equal(response.headers.allow, 'GET, HEAD');
    t.match(response.json(), {
      code: 'method_not_allowed',
      detail: `expected one of GET, HEAD for ${url}, got ${method}`,
    });
  }
  t.equal((await app.inject({ method: 'POST', url: '/openapiXjson' })).statusCode, 404);
  await app.close();
});

t.test('beyond loopback it listens with a token only', async (t) => {
  const listen = { address: '0.0.0.0', port: 0 };
  await t.rejects(startAdmin({ listen, tokenFile: null, allowedHosts: [] }, sources()), {
    code: 'configuration_invalid',
    field: 'admin.token_file',
  });
  // A header cannot carry what is of several words.
  const words = TOKEN.replaceAll('-', ' ');
  const folder = t.testdir({ short: 'short\n', words: `${words}\n`, good: `${TOKEN}\n` });
  for (const file of ['short', 'words']) {
    await t.rejects(
      startAdmin({ listen, tokenFile: join(folder, file), allowedHosts: [] }, sources()),
      {
        message: /^expected a token of at least 16 printable ASCII characters without spaces /,
      },
    );
  }
  const server = await startAdmin(
    { listen, tokenFile: join(folder, 'good'), allowedHosts: [] },
    sources(),
  );
  await server.close();
});

t.test('a port that is taken is an error that names the key', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const listen = { address: '127.0.0.1', port };
  await t.rejects(startAdmin({ listen, tokenFile: null, allowedHosts: [] }, sources()), {
    code: 'address_unavailable',
    field: 'admin.listen',
    message: new RegExp(
      `^admin.listen: could not listen on 127.0.0.1:${port}: something listens there already`,
    ),
  });
  other.close();
});

t.test('closing does not wait for connections that stay open', async (t) => {
  const listen = { address: '127.0.0.1', port: 0 };
  const server = await startAdmin({ listen, tokenFile: null, allowedHosts: [] }, sources());
  const response = await fetch(`${server.url}/healthz`);
  t.equal(response.status, 200);
  await server.close();
  await t.rejects(fetch(`${server.url}/healthz`));
});

t.test('the OpenAPI document has every resource and its errors', async (t) => {
  const app = await createApp(sources(), null);
  const document = (await app.inject('/openapi.json')).json<{
    openapi: string;
    paths: Record<
      string,
      {
        get: {
          parameters: { name: string; required?: boolean }[];
          responses: Record<string, unknown>;
        };
      }
    >;
  }>();
  t.equal(document.openapi, '3.1.0');
  t.strictSame(Object.keys(document.paths).sort(), [
    '/healthz',
    '/metrics',
    '/readyz',
    '/v1/bdevs',
    '/v1/bdevs/{name}/acknowledge',
    '/v1/config',
    '/v1/connections',
    '/v1/controllers',
    '/v1/devices',
    '/v1/reactors',
    '/v1/reload',
    '/v1/subsystems',
    '/v1/subsystems/{nqn}',
    '/v1/subsystems/{nqn}/hosts',
    '/v1/subsystems/{nqn}/listeners',
    '/v1/subsystems/{nqn}/namespaces',
  ]);
  const { parameters, responses } = document.paths['/v1/bdevs']!.get;
  t.strictSame(
    parameters.map(({ name, required = false }) => ({ name, required })),
    ['limit', 'offset', 'sort'].map((name) => ({ name, required: false })),
    'a list needs no parameters',
  );
  t.match(responses['4XX'], { content: { 'application/problem+json': {} } });
  await app.close();
});

t.test('a request for a foreign host is refused, whatever points here', async (t) => {
  const app = await createApp(sources(), null, ['storage1.example.com']);
  const statusFor = async (host: string): Promise<number> =>
    (await app.inject({ url: '/healthz', headers: { host } })).statusCode;
  for (const host of [
    'localhost',
    'LOCALHOST:9920',
    'daemon.localhost:9920',
    '127.0.0.1:9920',
    '127.1.2.3',
    '[::1]:9920',
    '10.0.0.1:9920',
    '[2001:db8::1]:9920',
    'storage1.example.com',
    'Storage1.Example.com:9920',
    'storage1.example.com.:9920',
  ]) {
    t.equal(await statusFor(host), 200, host);
  }
  for (const host of [
    'attacker.example',
    '127.0.0.1.attacker.example:9920',
    'localhost.attacker.example',
    'xstorage1.example.com',
    '10.0.0.1.:9920x',
    '[attacker.example]:9920',
  ]) {
    t.equal(await statusFor(host), 421, host);
  }
  const headers = { host: 'attacker.example' };
  const refused = await app.inject({ url: '/v1/config', headers });
  t.equal(refused.statusCode, 421);
  t.match(refused.json(), { code: 'misdirected', field: 'host', detail: /admin.allowed_hosts/ });
  await app.close();
});

const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

function tokenFile(t: Test): Promise<TokenFile> {
  return TokenFile.open(join(t.testdir({ token: TOKEN }), 'token'));
}

t.test('a reload gives the permission that the body names, and reports', async (t) => {
  const asked: unknown[] = [];
  const change = {
    kind: 'bdev_delete',
    key: 'bdevs[0]',
    text: 'delete bdev ram0',
    notice: 'gone',
    needs: ['data-loss'],
  } as const;
  const reload: AdminSources['reload'] = async (request) => {
    asked.push(request);
    return { file: '/c.yaml', changes: [change], warnings: ['look'] };
  };
  const app = await createApp(sources({ reload }), await tokenFile(t));
  const post = (body: object) =>
    app.inject({ method: 'POST', url: '/v1/reload', headers, payload: JSON.stringify(body) });
  const done = await post({ allow: ['data-loss'] });
  t.equal(done.statusCode, 200);
  const answer = { file: '/c.yaml', changes: [change], warnings: ['look'] };
  t.same(done.json(), { applied: true, ...answer });
  t.match((await post({ dry_run: true, file: '/c.yaml' })).json(), { applied: false });
  t.same(asked, [
    { allow: ['data-loss'], dryRun: false },
    { allow: [], dryRun: true, file: '/c.yaml' },
  ]);
  t.equal((await post({ allow: ['everything'] })).statusCode, 400);
  t.equal((await post({ permit: [] })).statusCode, 400);
  t.equal(asked.length, 2);
  await app.close();
});

t.test('a body says exactly what it means, or is refused', async (t) => {
  let reloads = 0;
  const reload: AdminSources['reload'] = async () => {
    reloads += 1;
    return { file: '/c.yaml', changes: [], warnings: [] };
  };
  const app = await createApp(sources({ reload }), await tokenFile(t));
  const expected = 'expected true or false for `dry_run`, got';
  for (const [payload, field, detail] of [
    ['{"dry_run":null}', 'dry_run', `${expected} null`],
    ['{"dry_run":"false"}', 'dry_run', `${expected} 'false'`],
    ['{"dry_run":0}', 'dry_run', `${expected} 0`],
    ['{"allow":"disconnect"}', 'allow', "expected a list for `allow`, got 'disconnect'"],
    ['{"allow":[null]}', 'allow[0]', /^expected one of .* for `allow\[0\]`, got null$/],
    ['null', 'body', 'expected a map for `body`, got null'],
    ['[]', 'body', 'expected a map for `body`, got []'],
  ] as const) {
    const refused = await app.inject({ method: 'POST', url: '/v1/reload', headers, payload });
    t.match(refused.json(), { status: 400, code: 'argument_invalid', field, detail }, payload);
  }
  t.equal(reloads, 0);
  await app.inject({ method: 'POST', url: '/v1/reload', headers, payload: '{}' });
  t.equal(reloads, 1);
  await app.close();
});

t.test('no body has a key that the OpenAPI document wrongly requires', async (t) => {
  const app = await createApp(sources(), null);
  type Schema = { required?: string[]; properties: Record<string, { default?: unknown }> };
  type Method = {
    requestBody?: { content: Record<string, { schema: Schema }> };
    parameters?: { name: string; required?: boolean; schema: { default?: unknown } }[];
  };
  const { paths } = (await app.inject('/openapi.json')).json<{
    paths: Record<string, Record<string, Method>>;
  }>();
  const methods = Object.values(paths).flatMap((path) => Object.values(path));
  const schemas = methods.flatMap(({ requestBody }) =>
    Object.values(requestBody?.content ?? {}).map(({ schema }) => schema),
  );
  t.ok(schemas.length > 0);
  for (const { required = [], properties } of schemas) {
    const withDefault = required.filter((name) => properties[name]?.default !== undefined);
    t.strictSame(withDefault, []);
  }
  for (const { parameters = [] } of methods) {
    t.notOk(parameters.some(({ required, schema }) => required && schema.default !== undefined));
  }
  await app.close();
});

t.test('no browser and no stranger can have it reload', async (t) => {
  let reloads = 0;
  const reload: AdminSources['reload'] = async () => {
    reloads += 1;
    return { file: '/c.yaml', changes: [], warnings: [] };
  };
  const app = await createApp(sources({ reload }), await tokenFile(t));
  const status = async (changed: Record<string, string>, payload = '{}') =>
    (
      await app.inject({
        method: 'POST',
        url: '/v1/reload',
        headers: { ...headers, ...changed },
        payload,
      })
    ).statusCode;
  t.equal(await status({ authorization: '' }), 401);
  t.equal(await status({ origin: 'http://127.0.0.1:9920' }), 403);
  t.ok((await status({ 'content-type': 'text/plain' })) >= 400);
  t.ok((await status({ 'content-type': 'application/x-www-form-urlencoded' }, 'allow=a')) >= 400);
  t.equal(reloads, 0);
  const open = await createApp(sources({ reload }), null);
  const without = await open.inject({ method: 'POST', url: '/v1/reload', payload: {} });
  t.match(without.json(), { status: 403, code: 'forbidden', field: 'admin.token_file' });
  t.equal(reloads, 0);
  await app.close();
  await open.close();
});

t.test('a refused reload is a problem with its reason', async (t) => {
  const change = {
    kind: 'subsystem_remove',
    key: 'subsystems[0]',
    text: 'remove subsystem x',
    notice: 'takes it away from 2 connected controllers',
    needs: ['disconnect'],
  } as const;
  const reload: AdminSources['reload'] = () =>
    Promise.reject(new PermissionError([change], ['disconnect']));
  const app = await createApp(sources({ reload }), await tokenFile(t));
  const refused = await app.inject({ method: 'POST', url: '/v1/reload', headers, payload: '{}' });
  t.equal(refused.statusCode, 409);
  t.match(refused.json(), {
    code: 'permission_needed',
    field: 'subsystems[0]',
    detail: /remove subsystem x: takes it away from 2 connected controllers \(disconnect\)/,
  });
  await app.close();
});

t.test('bdevs and namespaces that are not there are listed with the reason', async (t) => {
  const target = fakeTarget();
  const since = new Date(0);
  const parameters = { name: 'file0', kind: 'uring', path: '/x', block_size: 512 };
  target.unavailable = { bdevs: [{ parameters, reason: 'no such file', since }], endpoints: [] };
  target.drains = [
    { what: 'bdev old', bdev: { ...parameters, name: 'old' }, since, state: 'overdue' },
  ];
  target.subsystems = [subsystem({ missingNamespaces: [{ nsid: 9, bdev: 'file0' }] })];
  const app = await createApp(sources({ target }), null);
  t.match((await app.inject('/v1/bdevs')).json(), {
    items: [
      {
        name: 'file0',
        state: 'unavailable',
        reason: 'no such file',
        size: null,
        since: since.toISOString(),
      },
      { name: 'old', state: 'draining', reason: 'bdev old is held by I/O that has not ended' },
      { name: 'ram0', state: 'ok', reason: null },
    ],
  });
  t.match((await app.inject(`/v1/subsystems/${NQN}/namespaces`)).json(), {
    items: [
      { nsid: 1, available: true },
      { nsid: 9, available: false, bdev: 'file0', block_size: null },
    ],
  });
  await app.close();
});

t.test('a loss is acknowledged with the token, and with it alone', async (t) => {
  const url = '/v1/bdevs/ram0/acknowledge';
  const app = await createApp(sources(), await tokenFile(t));
  const headers = { authorization: `Bearer ${TOKEN}` };
  const done = await app.inject({ method: 'POST', url, headers });
  t.equal(done.statusCode, 200);
  t.strictSame(done.json(), { name: 'ram0', state: 'ok' });
  t.equal((await app.inject({ method: 'POST', url })).statusCode, 401);
  const unknown = { method: 'POST', url: '/v1/bdevs/ram9/acknowledge', headers } as const;
  t.match((await app.inject(unknown)).json(), { status: 404, code: 'not_found' });
  await app.close();
});

t.test('nothing is acknowledged where there is no token', async (t) => {
  const app = await createApp(sources(), null);
  const refused = await app.inject({ method: 'POST', url: '/v1/bdevs/ram0/acknowledge' });
  t.match(refused.json(), { status: 403, code: 'forbidden', field: 'admin.token_file' });
  await app.close();
});

t.test('a bdev shows what is wrong with it', async (t) => {
  const from = sources();
  const health = {
    faults: ['lost_flush'] as const,
    failureCount: 3,
    lastFailure: { op: 'flush', offset: 0, code: 'EIO', message: 'Input/output error' },
    oldestMs: 12_500,
  };
  const bdevs = from.target.bdevs.map((bdev) => ({
    ...bdev,
    states: ['lost_flush', 'hung'] as const,
    health,
  }));
  const app = await createApp({ ...from, target: { ...from.target, bdevs } }, null);
  t.match((await app.inject('/v1/bdevs')).json(), {
    items: [
      {
        state: 'lost_flush',
        states: ['lost_flush', 'hung'],
        failure_count: 3,
        last_failure: { op: 'flush', offset: 0, error: 'EIO', message: 'Input/output error' },
        oldest_operation_ms: 12_500,
      },
    ],
  });
  await app.close();
});

t.test('a bdev that is reached over the network shows the ways to it', async (t) => {
  const from = sources();
  const bdevs = from.target.bdevs.map((bdev) => ({
    ...bdev,
    paths: [
      { name: '192.0.2.1:4420', state: 'live', access: 'optimized', reason: '' } as const,
      { name: '[2001:db8::1]:4420', state: 'lost', access: '', reason: 'no answer' } as const,
    ],
  }));
  const app = await createApp({ ...from, target: { ...from.target, bdevs } }, null);
  t.match((await app.inject('/v1/bdevs')).json(), {
    items: [
      {
        paths: [
          { name: '192.0.2.1:4420', state: 'live', access: 'optimized', reason: null },
          { name: '[2001:db8::1]:4420', state: 'lost', access: null, reason: 'no answer' },
        ],
      },
    ],
  });
  await app.close();
});
