// Writes the first seeds of pdu_reader_fuzz: well-formed streams with every choice of digests. What the fuzzer finds
// from there is added to the same folder when it is worth keeping. Usage: node addon/transport/corpus/make-seeds.mjs

import { writeFileSync } from 'node:fs';

function crc32c(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  const digest = Buffer.alloc(4);
  digest.writeUInt32LE(~crc >>> 0);
  return digest;
}

/** A PDU: 8 bytes of common header, the rest of the header, data, digests. */
function pdu(type, hlen, data, { header, payload }, flags = 0) {
  const head = Buffer.alloc(hlen);
  const pdo = hlen + (header ? 4 : 0);
  const digested = payload && data.length > 0;
  head[0] = type;
  head[1] = flags | (header ? 1 : 0) | (digested ? 2 : 0);
  head[2] = hlen;
  head[3] = data.length > 0 ? pdo : 0;
  head.writeUInt32LE(pdo + data.length + (digested ? 4 : 0), 4);
  return Buffer.concat([head, header ? crc32c(head) : Buffer.alloc(0), data, digested ? crc32c(data) : Buffer.alloc(0)]);
}

for (const header of [false, true]) {
  for (const payload of [false, true]) {
    const digests = { header, payload };
    const icReq = pdu(0x00, 128, Buffer.alloc(0), { header: false, payload: false });
    icReq[11] = (header ? 1 : 0) | (payload ? 2 : 0);
    const stream = Buffer.concat([
      Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 1]), // the split and the stalls
      icReq,
      pdu(0x04, 72, Buffer.alloc(0), digests),
      pdu(0x04, 72, Buffer.alloc(48, 0x5a), digests),
      pdu(0x06, 24, Buffer.alloc(100, 0xa5), digests, 4),
      pdu(0x04, 72, Buffer.alloc(1, 1), digests),
      pdu(0x02, 24, Buffer.alloc(8), { header: false, payload: false }),
    ]);
    const name = `digests-${header ? 'header' : 'no'}-${payload ? 'data' : 'no'}`;
    writeFileSync(new URL(`pdu_reader_fuzz/${name}`, import.meta.url), stream);
  }
}
