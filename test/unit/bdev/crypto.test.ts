import { createCipheriv, createHash } from 'node:crypto';

import t from 'tap';
import { describeBdev } from '../../../src/bdev/kinds.js';
import { formatIssue } from '../../../src/config/issue.js';
import { parseConfiguration } from '../../../src/config/load.js';
import type { BdevParameters } from '../../../src/engine/engine-types.js';
import type { Identifiers } from '../../../src/identity/export-identities.js';
import { isSameBdev } from '../../../src/subsystem/open-bdev.js';
import { ContentBed } from '../identity/bed.js';
import { description } from './description.js';

/** A configuration with one encrypted bdev, written so. */
function parsed(keys: string) {
  const text = `version: 1
bdevs:
  - { name: ram0, kind: malloc, size: 1MiB }
  - { name: safe0, kind: crypto, base: ram0${keys === '' ? '' : `, ${keys}`} }
`;
  return parseConfiguration(text, '/etc/capsuled/config.yaml', [0]);
}

function wrong(keys: string): string[] {
  return parsed(keys)
    .issues.filter(({ severity }) => severity === 'error')
    .map((issue) => formatIssue(issue).replace(/^\S+ error: bdevs\[1\]\.?/, ''));
}

const check = '0123456789abcdef';

t.test('what is not written is as dm-crypt has it', async (t) => {
  t.strictSame(parsed('key_file: safe0.key').configuration?.target.bdevs[1], {
    name: 'safe0',
    kind: 'crypto',
    base: 'ram0',
    cipher: 'aes-xts-plain64',
    key_file: '/etc/capsuled/safe0.key',
    sector_size: 512,
  });
});

t.test('the key has one place', async (t) => {
  t.strictSame(wrong('key_file: /k'), []);
  t.strictSame(wrong('key_credential: safe0'), []);
  t.strictSame(wrong(''), [
    'key_file: expected a file path, because there is no "key_credential", but "key_file" is missing',
  ]);
  t.strictSame(wrong('key_file: /k, key_credential: safe0'), [
    'key_credential: expected no "key_credential", because there is a "key_file"',
  ]);
  t.match(wrong('key_credential: ../safe0')[0], /^key_credential: expected a name of /);
});

t.test('a value that cannot be is an error of its key', async (t) => {
  const words = {
    'cipher: aes-cbc-essiv:sha256': 'cipher: expected aes-xts-plain64, got "aes-cbc-essiv:sha256"',
    'sector_size: 1024': 'sector_size: expected 512 or 4096, got 1024',
    'key_check: 0123': 'key_check: expected 16 hexadecimal digits, got 0123',
    'key_check: 1234567890123456':
      'key_check: expected 16 hexadecimal digits, got 1234567890123456; put it in quotes',
    'key_check: 12e4567890123456':
      'key_check: expected 16 hexadecimal digits, got 12e4567890123456; put it in quotes',
  };
  for (const [keys, message] of Object.entries(words)) {
    t.strictSame(wrong(`key_file: /k, ${keys}`), [message]);
  }
  t.strictSame(wrong('key_file: /k, key_check: "1234567890123456"'), []);
  t.strictSame(wrong(`key_file: /k, key_check: ${check.toUpperCase()}`), []);
});

const parameters: BdevParameters = {
  name: 'safe0',
  kind: 'crypto',
  base: 'file0',
  cipher: 'aes-xts-plain64',
  key_file: '/k',
  sector_size: 512,
};

t.test('a bdev that is open says which key it has, and writing that changes nothing', async (t) => {
  const open = {
    parameters,
    description: { ...description(parameters), found: { key_check: check } },
  };
  t.equal(describeBdev(open.description, parameters)['key_check'], check);
  t.ok(isSameBdev(open, parameters));
  t.ok(isSameBdev(open, { ...parameters, key_check: check }));
  t.notOk(isSameBdev(open, { ...parameters, key_check: 'fedcba9876543210' }));
  t.notOk(isSameBdev(open, { ...parameters, key_file: '/other' }));
});

t.test('key, cipher and sector size are a part of which disk it is', async (t) => {
  const bed = ContentBed.on(t);
  let nsid = 0;
  const identifiers = async (
    key: string,
    changed: Partial<BdevParameters> = {},
  ): Promise<Identifiers> => {
    const base = await bed.file('/srv/disk0.img');
    bed.engine.bdevFields = { found: { key_check: key } };
    const name = `safe${nsid}`;
    const bdev = await bed.open({ ...parameters, ...changed, name }, [base.description]);
    bed.engine.bdevFields = {};
    nsid += 1;
    return bed.export(bdev, { nsid });
  };
  const first = await identifiers(check);
  t.same(await identifiers(check, { key_file: '/moved' }), first, 'wherever the key is kept');
  const others = [
    await identifiers('fedcba9876543210'),
    await identifiers(check, { sector_size: 4096 }),
    await bed.export(await bed.file('/srv/disk0.img'), { nsid: 100 }),
  ];
  const all = [first, ...others];
  t.equal(new Set(all.map(({ uuid }) => uuid)).size, all.length);
  t.equal(new Set(all.map(({ nguid }) => nguid)).size, all.length);
  t.ok(bed.lines.every(({ message }) => !message.includes('undefined')));
});

/** Node's part of what `addon/bdev/crypto/key_check.h` says. */
function checkValue(key: Buffer): string {
  const text = Buffer.from('capsuled: check value of an XTS key, version 1.\0');
  const tweak = Buffer.alloc(16).fill(0xff, 0, 8);
  const cipher = createCipheriv(key.length === 64 ? 'aes-256-xts' : 'aes-128-xts', key, tweak);
  const hash = createHash('sha256').update(text).update(cipher.update(text));
  return hash.digest('hex').slice(0, 16);
}

t.test('the check values that the engine is tested with', async (t) => {
  const key = Buffer.from(Array.from({ length: 64 }, (_, index) => index));
  t.equal(checkValue(key.subarray(0, 32)), '66f0385dbdc4aa5d');
  t.equal(checkValue(key), 'ec280d58c8863dca');
});
