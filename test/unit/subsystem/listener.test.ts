import t from 'tap';

import type { Endpoint } from '../../../src/engine/engine-types.js';
import { canonicalAddress, isWildcard } from '../../../src/transport/address.js';
import { EndpointIndex } from '../../../src/transport/endpoint-index.js';
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

t.test('an IPv6 address has the spelling that a URL has', async (t) => {
  const groups = ['0', '1', 'ABCD', '00f0'];
  for (let code = 0; code < 4 ** 8; code += 7) {
    const address = Array.from({ length: 8 }, (_none, at) => groups[(code >> (2 * at)) & 3]).join(
      ':',
    );
    const url = new URL(`http://[${address}]/`).hostname.slice(1, -1);
    if (canonicalAddress(address) !== url) t.equal(canonicalAddress(address), url);
  }
  t.equal(canonicalAddress('1::2:192.0.2.1'), '1::2:c000:201');
  t.equal(canonicalAddress('FE80::0:1%eth0'), 'fe80::1%eth0');
});

/** As the kernel has it, pair by pair. */
function overlaps(left: Endpoint, right: Endpoint): boolean {
  const covers = (address: string, other: string): boolean =>
    address === '::' || (address === '0.0.0.0' && !other.includes(':')) || address === other;
  if (left.port !== right.port || left.port === 0) return false;
  return covers(left.address, right.address) || covers(right.address, left.address);
}

t.test('the index finds the first endpoint that overlaps, and only that', async (t) => {
  const addresses = ['127.0.0.1', '0.0.0.0', '::', '::1', '127.0.0.2', '2001:db8::1'];
  const endpoints = addresses.flatMap((address) => [0, 1, 2].map((port) => ({ address, port })));
  for (let from = 0; from < endpoints.length; from += 1) {
    const index = new EndpointIndex<Endpoint>();
    const known: Endpoint[] = [];
    for (let count = 0; count < endpoints.length; count += 1) {
      const next = endpoints[(from + count * 5) % endpoints.length] ?? endpoint;
      index.add(next, next);
      known.push(next);
      if (count % 4 === 3) index.delete(known.splice(count % known.length, 1)[0] ?? endpoint);
      for (const asked of endpoints) {
        const all = known.filter((each) => overlaps(each, asked));
        t.equal(index.find(asked), all[0]);
        t.equal(
          index.findOther(asked),
          all.find(({ address }) => address !== asked.address),
        );
      }
    }
  }
});
