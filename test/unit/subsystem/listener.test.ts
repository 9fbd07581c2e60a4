import t from 'tap';

import { isWildcard } from '../../../src/transport/address.js';
import { endpointKey, endpointText } from '../../../src/transport/listener.js';
import { ListenerTable } from '../../../src/transport/listener-table.js';
import { FakeEngine } from './fake-engine.js';

t.test('an IPv6 address is the same however it is written', async (t) => {
  const port = 4420;
  t.equal(
    endpointKey({ address: '2001:DB8:0:0::1', port }),
    endpointKey({ address: '2001:db8::1', port }),
  );
  t.not(endpointKey({ address: '::1', port }), endpointKey({ address: '::1', port: 4421 }));
});

t.test('endpoints are printed as they are typed', async (t) => {
  t.equal(endpointText({ address: '127.0.0.1', port: 4420 }), '127.0.0.1:4420');
  t.equal(endpointText({ address: '::1', port: 8009 }), '[::1]:8009');
});

t.test('wildcards are known, however they are written', async (t) => {
  for (const address of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0']) t.ok(isWildcard(address));
  for (const address of ['127.0.0.1', '::1']) t.notOk(isWildcard(address));
});

const endpoint = { address: '127.0.0.1', port: 4420 };

t.test('a closed listener is remembered until its last connection is gone', async (t) => {
  const table = new ListenerTable(new FakeEngine());
  const bound = await table.bind(endpoint);
  const { listener } = bound;
  table.start(bound);
  table.connectionOpened(listener);
  await table.close(endpoint);
  t.equal(table.get(endpoint), undefined);
  t.ok(table.byNumber(listener));
  table.connectionClosed(listener);
  t.equal(table.byNumber(listener), undefined);
});

t.test('nobody is accepted on a listener before it is known', async (t) => {
  const engine = new FakeEngine();
  const table = new ListenerTable(engine);
  const bound = await table.bind(endpoint);
  t.same([...engine.startedListeners], []);
  t.equal(table.get(endpoint), undefined);
  table.start(bound);
  t.same([...engine.startedListeners], [bound.listener]);
  t.equal(table.get(endpoint), bound);
});

t.test('what was bound and not started can be given back', async (t) => {
  const engine = new FakeEngine();
  const table = new ListenerTable(engine);
  await table.discard(await table.bind(endpoint));
  t.equal(engine.openListeners.size, 0);
  t.same([...table], []);
});

t.test('an endpoint is opened once, and closed only if it is open', async (t) => {
  const table = new ListenerTable(new FakeEngine());
  const second = await table.bind(endpoint);
  table.start(await table.bind(endpoint));
  await t.rejects(table.bind(endpoint), { code: 'address_unavailable' });
  t.throws(
    () => {
      table.start(second);
    },
    { code: 'already_exists' },
  );
  await table.close(endpoint);
  await t.rejects(table.close(endpoint), { code: 'not_found' });
});

for (const [open, asked] of [
  ['0.0.0.0', '127.0.0.1'],
  ['0.0.0.0', '::'],
  ['::', '0.0.0.0'],
  ['::', '127.0.0.1'],
  ['::1', '::'],
] as const) {
  t.test(`${asked} is refused while ${open} is listened on at the same port`, async (t) => {
    const table = new ListenerTable(new FakeEngine());
    table.start(await table.bind({ address: open, port: 4420 }));
    await t.rejects(table.bind({ address: asked, port: 4420 }), {
      code: 'address_unavailable',
      message: `expected an address and port that no other listener covers, got ${endpointText({ address: asked, port: 4420 })}, which overlaps ${endpointText({ address: open, port: 4420 })}`,
    });
    table.start(await table.bind({ address: asked, port: 4421 }));
    await table.close({ address: open, port: 4420 });
    table.start(await table.bind({ address: asked, port: 4420 }));
  });
}

t.test('addresses of different families, or of different zones, do not overlap', async (t) => {
  const table = new ListenerTable(new FakeEngine());
  for (const address of ['0.0.0.0', '::1', 'fe80::1%eth0', 'fe80::1%eth1']) {
    table.start(await table.bind({ address, port: 4420 }));
  }
  t.equal([...table].length, 4);
});

t.test('port identifiers are not used twice', async (t) => {
  const table = new ListenerTable(new FakeEngine());
  const first = await table.bind({ address: '127.0.0.1', port: 1 });
  const second = await table.bind({ address: '127.0.0.1', port: 2 });
  table.start(first);
  table.start(second);
  t.same([first.portId, second.portId], [1, 2]);
  t.same([...table], [first, second]);
});
