import t from 'tap';
import { listenReason } from '../../../src/transport/listen-reason.js';

for (const [code, address, reason] of [
  ['EADDRINUSE', '127.0.0.1', /already \(`ss -ltnp` shows what\); end that, or take another port$/],
  ['EADDRNOTAVAIL', '192.0.2.1', /does not have the address \(`ip address` shows/],
  ['EACCES', '127.0.0.1', /may not take port 80; take one above 1023, or give/],
  ['EAFNOSUPPORT', '::1', /IPv6 switched off/],
  ['ENODEV', 'fe80::1%eth9', /no interface "eth9" \(`ip link` shows/],
  ['EINVAL', 'fe80::1', /needs a zone, the name of an interface: fe80::1%eth0$/],
  ['EIO', '127.0.0.1', /^the kernel's words$/],
] as const) {
  t.test(`${code} is said with its cause and likely fix`, async (t) => {
    const thrown = Object.assign(new Error("the kernel's words"), { code });
    t.match(listenReason({ address, port: 80 }, thrown), reason);
  });
}
