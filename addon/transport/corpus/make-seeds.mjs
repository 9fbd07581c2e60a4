// Writes the first seeds of the fuzzers: well-formed streams with every choice of digests for pdu_reader_fuzz, and whole
// lives of connections for connection_fuzz. What a fuzzer finds from there is added to the same folder when it is worth
// keeping. Usage: node addon/transport/corpus/make-seeds.mjs

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
    writeFileSync(new URL(`../../pdu/corpus/pdu_reader_fuzz/${name}`, import.meta.url), stream);
  }
}

// Scripts of connection_fuzz: see Fuzz::step() for what each byte says.
const moment = [21];
const moments = Array(6).fill(21);
const open = (digests) => [0, digests];
const live = (host, qid) => [1, host, 0, ...moments, 2, host, qid + 9, ...moments, 14, 0, ...moments];
const io = (host, how, size) => [3, host, how, size];
const answerR2t = (host, piece) => [...moments, 5, host, piece, ...moments];
const admin = (host, opcode, how) => [8, host, opcode, how];

const scripts = {
  reads: [...io(0, 7, 0), ...io(0, 7, 1), ...moments, ...io(0, 7, 6), ...moments],
  'in-capsule': [...io(0, 0x81, 0), ...io(0, 0x82, 1), ...io(0, 0x8a, 2), ...moments],
  r2t: [...io(0, 1, 1), ...answerR2t(0, 0), ...io(0, 8, 5), ...answerR2t(0, 255), ...io(0, 8, 6), ...answerR2t(0, 15)],
  'r2t-many': [1, 2, 4, 5].flatMap((how) => io(0, how, 6)).concat(answerR2t(0, 255), answerR2t(0, 255), answerR2t(0, 255)),
  held: [...io(0, 0, 0), ...io(0, 9, 1), ...moments, 12, 1, ...moments, 16, ...moments],
  timeout: [...io(0, 1, 6), ...moments, 13, 255, 13, 255, 13, 255, ...moments],
  backpressure: [18, 0, ...Array(12).fill(io(0, 7, 6)).flat(), ...moments, 18, 0, ...moments],
  flipped: [9, ...io(0, 1, 1), 20, 0, 7, ...moments, 9, ...io(0, 7, 1), 16, 0, 3, ...moments],
  pieces: [20, 0, ...io(0, 1, 3), ...answerR2t(0, 0)],
};
const adminScripts = {
  admin: [...admin(0, 0x06, 9), ...moments, 14, 8, ...moments, ...admin(0, 0x81, 20), ...moments, 14, 0, ...moments],
  'admin-r2t': [...admin(0, 0x81, 21), ...answerR2t(0, 255), 14, 0, ...moments],
  'keep-alive': [...admin(0, 0x18, 0), ...moments, 17, 0, 0, 0, 1, 13, 9, ...moments],
  events: [...Array(6).fill(admin(0, 0x0c, 0)).flat(), ...moments, 17, 0, 5, 0, 0, ...moments, 12, 2, ...moments],
};
for (const digests of [0, 3]) {
  for (const [qid, group] of [
    [1, scripts],
    [0, adminScripts],
  ]) {
    for (const [name, script] of Object.entries(group)) {
      const bytes = Buffer.from([digests + 1, ...open(digests), ...live(0, qid), ...script, ...moment]);
      writeFileSync(new URL(`connection_fuzz/${name}-${digests}`, import.meta.url), bytes);
    }
  }
}
// Two connections, one of which ends.
writeFileSync(
  new URL('connection_fuzz/two', import.meta.url),
  Buffer.from([7, ...open(0), ...open(3), ...live(0, 1), ...live(1, 1), ...io(0, 1, 6), ...io(1, 1, 6), 19, 0, ...answerR2t(1, 255)]),
);

// Scripts of group_fuzz: what, who (host + 3 * QID), and what else Fuzz::step() takes.
const turns = (count) => [19, count * 12];
const join = (who) => [0, who, ...turns(6), 18, who, 5, ...turns(4)];
const disk = (who, how) => [2, who, how];
const data = (who) => [...turns(5), 6, who, 255, ...turns(5)];
const everybody = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap(join);
const groupScripts = {
  'write-read': [...join(3), ...disk(3, 0x81), ...turns(8), ...disk(3, 0x01), ...turns(8)],
  r2t: [...join(3), ...disk(3, 0x85), ...data(3), ...disk(3, 0x05), ...turns(9)],
  all: [...everybody, ...[3, 4, 5, 6, 7, 8].flatMap((who) => disk(who, 0x80 + 8 * (who % 4) + 7)), ...[3, 4, 5, 6, 7, 8].flatMap(data)],
  held: [...join(3), 9, 3, ...disk(3, 0x85), ...data(3), 11, 3, 0, ...turns(4), 10, 3, ...turns(9), ...join(3), ...disk(3, 0x05), ...turns(9)],
  reset: [...join(0), ...join(3), ...disk(0, 3), ...disk(3, 0x87), ...data(3), 14, 0, 0, ...turns(9), ...join(3), ...disk(3, 7), ...turns(9)],
  admin: [...join(0), ...[0, 1, 2, 3, 4].flatMap((how) => [...disk(0, how), ...turns(4), 18, 0, 0, ...turns(4)]), ...data(0)],
  abort: [...join(3), ...disk(3, 0x61), ...turns(4), 13, 3, 0, ...turns(6), ...disk(3, 0x87), 13, 3, 0, ...data(3), 15, 0],
};
for (const [name, script] of Object.entries(groupScripts)) {
  writeFileSync(new URL(`group_fuzz/${name}`, import.meta.url), Buffer.from([3, ...script, ...turns(8)]));
}
// Sends that are kept from completing, guessed tags and data that stay away: for connection_fuzz.
const more = {
  'held-r2t-guessed': [...live(0, 0), 23, 0, 0, ...admin(0, 0x09, 21), ...moments, 22, 0, 3, ...moments, 19, 0, ...moments, 23, 0, 3, ...moments],
  owed: [...live(0, 1), ...io(0, 1, 5), ...moments, 22, 0, 0, ...moments, 12, 1, ...moments, 13, 255],
  'held-answers': [...live(0, 1), 23, 0, 0, ...io(0, 7, 5), ...io(0, 7, 6), ...moments, 10, 0, ...moments, 23, 0, 1, ...moments],
};
for (const [name, script] of Object.entries(more)) {
  writeFileSync(new URL(`connection_fuzz/${name}`, import.meta.url), Buffer.from([5, ...open(0), ...script, ...moment]));
}
