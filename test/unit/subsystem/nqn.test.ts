import t from 'tap';

import { nqnFault, ownNqnFault } from '../../../src/subsystem/nqn.js';
import { discoveryNqn } from '../../../src/wire/layout.gen.js';

const longest = `nqn.2026-11.com.example:${'x'.repeat(199)}`;

for (const name of [
  'nqn.2026-11.com.example:disk0',
  'nqn.2026-11.com.example',
  'nqn.2014-08.org.nvmexpress:uuid:01234567-89ab-cdef-0123-456789ABCDEF',
  'nqn.2026-11.com.example:größe',
  longest,
]) {
  t.test(`${name} is a name, of ours too`, async (t) => {
    t.equal(nqnFault(name), null);
    t.equal(ownNqnFault(name), null);
  });
}

for (const name of [
  '',
  'disk0',
  'iqn.2004-10.com.example',
  `${longest}x`,
  'nqn.a\0b',
  'nqn.a\u001b[2Jb',
  'nqn.a\nb',
]) {
  t.test(`${JSON.stringify(name)} is no name`, async (t) => {
    t.not(nqnFault(name), null);
    t.not(ownNqnFault(name), null);
  });
}

for (const name of ['nqn.host', 'nqn.2026-13.com.example:x', discoveryNqn]) {
  t.test(`${name} is taken from others, but not a name to give`, async (t) => {
    t.equal(nqnFault(name), null);
    t.not(ownNqnFault(name), null);
  });
}

t.test('the length counts bytes, not characters', async (t) => {
  t.not(nqnFault(`nqn.2026-11.com.example:${'ö'.repeat(100)}`), null);
});
