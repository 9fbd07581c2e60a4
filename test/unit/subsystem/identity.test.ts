import t from 'tap';

import {
  derivedNguid,
  derivedSerial,
  derivedUuid,
  uuidBytes,
  uuidText,
} from '../../../src/subsystem/identity.js';

const nqn = 'nqn.2026-11.com.example:disk0';

t.test('identities never change: hosts know their disks by them', async (t) => {
  t.equal(uuidText(derivedUuid(nqn, 1)), 'a6828dd5-abfd-8428-a468-00836bd57ef8');
  t.equal(derivedNguid(nqn, 1).toString('hex'), '2f1866a101244642f1a439aebf74db58');
  t.equal(derivedSerial(nqn), '6B71F45296DBC27010F3');
});

t.test('identities differ between namespaces and between subsystems', async (t) => {
  const other = 'nqn.2026-11.com.example:disk1';
  const all = [nqn, other].flatMap((name) =>
    [1, 2].flatMap((nsid) => [derivedUuid(name, nsid), derivedNguid(name, nsid)]),
  );
  t.equal(new Set(all.map((bytes) => bytes.toString('hex'))).size, 8);
  t.not(derivedSerial(nqn), derivedSerial(other));
});

t.test('a derived UUID says that its makers chose how (RFC 9562, version 8)', async (t) => {
  t.match(uuidText(derivedUuid(nqn, 7)), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
});

t.test('a UUID is bytes in the order in which it is written', async (t) => {
  const text = '01234567-89ab-cdef-0123-456789abcdef';
  t.equal(uuidBytes(text).toString('hex'), '0123456789abcdef0123456789abcdef');
  t.equal(uuidText(uuidBytes(text)), text);
});
