import t from 'tap';

import { getBits, getBits64, hasBit, packBits, packBits64, setBits } from '../../src/wire/bits.js';
import {
  CapBits,
  CcBits,
  ConnectData,
  FabricsStatus,
  GenericStatus,
  IdentifyController,
  NamespaceList,
  StatusCodeType,
} from '../../src/wire/layout.gen.js';
import { packStatus, statusName } from '../../src/wire/status.js';

void t.test('bit ranges read and replace their own bits only', (t) => {
  t.equal(getBits(0x12345678, { high: 31, low: 16 }), 0x1234);
  t.equal(getBits(0xffffffff, { high: 31, low: 31 }), 1);
  t.equal(setBits(0x12345678, { high: 31, low: 16 }, 0xabcd), 0xabcd5678);
  t.equal(setBits(0xffffffff, { high: 31, low: 0 }, 0), 0);
  t.throws(() => setBits(0, CcBits.iosqes, 16), RangeError);
  const cc = packBits([CcBits.en, 1], [CcBits.iosqes, 6], [CcBits.iocqes, 4]);
  t.equal(cc, 0x460001);
  t.ok(hasBit(cc, CcBits.en));
  t.end();
});

void t.test('bit ranges of 64-bit properties', (t) => {
  const cap = packBits64([CapBits.mqes, 127], [CapBits.to, 15], [CapBits.css, 0x41]);
  t.equal(cap, 0x820_0f00_007fn);
  t.equal(getBits64(cap, CapBits.css), 0x41);
  t.throws(() => packBits64([CapBits.cqr, 2]), RangeError);
  t.end();
});

void t.test('a status packs to 16 bits and has a name', (t) => {
  const field = packStatus(StatusCodeType.generic, GenericStatus.invalidField, 'doNotRetry');
  t.equal(field, 0x8004);
  t.equal(statusName(field), 'Invalid Field in Command');
  const connect = packStatus(
    StatusCodeType.commandSpecific,
    FabricsStatus.connectInvalidParameters,
  );
  t.equal(statusName(connect, 'fabrics'), 'Connect Invalid Parameters');
  t.equal(statusName(connect), 'Attempted Write to Read Only Range');
  t.end();
});

void t.test('a view writes into the buffer it was made from, within its bounds', (t) => {
  const buffer = Buffer.alloc(5000);
  const id = new IdentifyController(buffer);
  id.sn = 'abc';
  t.equal(buffer.toString('latin1', 4, 24), 'abc'.padEnd(20));
  t.equal(id.sn, 'abc');
  t.equal(id.buffer.length, 4096);
  t.throws(() => new IdentifyController(Buffer.alloc(4095)), RangeError);
  t.throws(() => (id.sn = 'x'.repeat(21)), RangeError);
  t.throws(() => (id.sn = 'é'), RangeError);
  t.throws(() => NamespaceList.alloc().nsid(1024), RangeError);
  t.end();
});

void t.test('text fields keep room for their terminator', (t) => {
  const connect = ConnectData.alloc();
  connect.subnqn = 'n'.repeat(255);
  t.equal(connect.subnqn.length, 255);
  connect.subnqn = 'nqn';
  t.equal(connect.subnqn, 'nqn');
  t.throws(() => (connect.subnqn = 'n'.repeat(256)), RangeError);
  t.end();
});
