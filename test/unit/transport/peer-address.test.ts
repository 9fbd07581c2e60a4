import t from 'tap';
import { hostOf } from '../../../src/transport/peer-address.js';

t.test('one host is an IPv4 address, or 64 bits of an IPv6 address', async (t) => {
  t.equal(hostOf('10.0.0.1'), '10.0.0.1');
  t.equal(hostOf('2001:db8:1:2::1'), hostOf('2001:db8:1:2:ffff:1:2:3'));
  t.not(hostOf('2001:db8:1:2::1'), hostOf('2001:db8:1:3::1'));
  t.equal(hostOf('::1'), '::1');
  t.not(hostOf('fe80::1'), hostOf('fe80::2'));
  t.equal(hostOf('fe80::1%eth0'), 'fe80::1%eth0');
  t.equal(hostOf('::ffff:10.0.0.1'), '10.0.0.1');
  t.equal(hostOf('::ffff:a00:1'), '10.0.0.1');
});
