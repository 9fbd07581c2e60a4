import t from 'tap';

import { namedUuid, nguidOf, uuidBytes, uuidText } from '../../../src/subsystem/identity.js';

const uuid = '0b6f6f2e-9f0e-4c0c-8a51-6d0f9d5a7a11';

t.test('a named UUID never changes, and says that its makers chose how (RFC 9562)', async (t) => {
  t.equal(namedUuid('device', 'wwid naa.5'), 'cbe1978c-93a4-8e7c-9b99-63cf18ccf458');
  t.match(namedUuid('device', 'wwid naa.5'), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
  t.not(namedUuid('device', 'wwid naa.5'), namedUuid('device', 'wwid naa.6'));
  t.not(namedUuid('device', 'x'), namedUuid('part', 'x'));
});

t.test('an NGUID follows from the UUID, however that is written, and is another one', async (t) => {
  t.equal(nguidOf(uuid), '65ec37611d9403018a01e6d295b25c8f', 'hosts know their disks by it');
  t.equal(nguidOf(uuid.toUpperCase()), nguidOf(uuid));
  t.match(nguidOf(uuid), /^[0-9a-f]{32}$/);
  t.not(nguidOf(uuid), uuid.replaceAll('-', ''));
});

t.test('a UUID is bytes in the order in which it is written', async (t) => {
  const text = '01234567-89ab-cdef-0123-456789abcdef';
  t.equal(uuidBytes(text).toString('hex'), '0123456789abcdef0123456789abcdef');
  t.equal(uuidText(uuidBytes(text)), text);
});
