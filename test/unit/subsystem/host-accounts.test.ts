import t from 'tap';

import { HostAccounts } from '../../../src/subsystem/host-accounts.js';

t.test('all queues of a host share one account, and another host or address has its own', (t) => {
  const accounts = new HostAccounts();
  const first = accounts.open('nqn.a', '10.0.0.1');
  t.equal(accounts.open('nqn.a', '10.0.0.1').number, first.number);
  const others = [accounts.open('nqn.b', '10.0.0.1'), accounts.open('nqn.a', '10.0.0.2')];
  t.equal(new Set([first, ...others].map(({ number }) => number)).size, 3);
  t.equal(accounts.count, 3);
  t.end();
});

t.test('an account ends with its last queue, and its number is used again', (t) => {
  const accounts = new HostAccounts();
  const account = accounts.open('nqn.a', '10.0.0.1');
  accounts.open('nqn.a', '10.0.0.1');
  accounts.close(account);
  t.equal(accounts.count, 1);
  t.equal(accounts.open('nqn.a', '10.0.0.1').number, account.number);
  accounts.close(account);
  accounts.close(account);
  t.equal(accounts.count, 0);
  t.throws(() => {
    accounts.close(account);
  }, /closed already/);
  t.equal(accounts.open('nqn.c', '10.0.0.3').number, account.number);
  t.end();
});

t.test('one account of each address is its first', (t) => {
  const accounts = new HostAccounts();
  const first = accounts.open('nqn.a', '10.0.0.1');
  const further = accounts.open('nqn.b', '10.0.0.1');
  t.same([first.isFirst, further.isFirst], [true, false]);
  t.ok(accounts.open('nqn.b', '10.0.0.2').isFirst);
  accounts.close(first);
  t.ok(accounts.open('nqn.c', '10.0.0.1').isFirst, 'another one, when it is gone');
  t.notOk(accounts.open('nqn.d', '10.0.0.1').isFirst);
  t.ok(accounts.open('nqn.d', '10.0.0.1', 'discovery').isFirst, 'and one of each class');
  t.end();
});

t.test('an address has few accounts, whatever names come from there', (t) => {
  const accounts = new HostAccounts();
  const opened = Array.from({ length: 100 }, (_, index) =>
    accounts.open(`nqn.${index}`, '10.0.0.1'),
  );
  t.equal(accounts.count, HostAccounts.namesOfAddressMax + 1);
  const known = opened[0];
  t.equal(accounts.open('nqn.0', '10.0.0.1').number, known?.number);
  if (known !== undefined) accounts.close(known);
  for (const account of opened) accounts.close(account);
  t.equal(accounts.count, 0);
  t.end();
});
