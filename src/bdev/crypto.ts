/** `crypto`: another bdev, encrypted as dm-crypt does it. The key is read by the engine alone. */

import { Type } from '../json-schema.js';
import { blockSize, choice, section, text } from '../config/schema-fields.js';
import { baseField, nameField } from './fields.js';
import type { BdevKind } from './kind.js';

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('crypto', {
      description: 'Another bdev, encrypted.',
      'x-effect': 'new',
      'x-also': [
        ...['crypt', 'dm_crypt', 'dmcrypt', 'dm-crypt', 'cryptsetup', 'luks'],
        ...['encrypt', 'encrypted', 'encryption', 'cipher', 'aes', 'xts'],
      ],
    }),
    base: baseField('all', {
      description: 'Name of the bdev that has the encrypted blocks. It is for this one alone.',
      effect: 'new',
    }),
    cipher: choice(['aes-xts-plain64'], {
      description: 'How it is encrypted, in the words of dm-crypt.',
      effect: 'new',
      default: 'aes-xts-plain64',
    }),
    key_file: Type.Optional(
      text('path', {
        description:
          'File with the key: 32 random bytes for AES-128, 64 for AES-256. Only its owner, the user of the daemon or ' +
          'root, may be allowed to read it. A relative path begins at the folder of this file.',
        effect: 'new',
      }),
    ),
    key_credential: Type.Optional(
      text('name', {
        description:
          "Instead of key_file: the name of a credential that systemd keeps for the service (LoadCredential=), with such a file's content.",
        effect: 'new',
      }),
    ),
    key_check: Type.Optional(
      text('key_check', {
        description:
          'The check value of the key, as the log and the API show it; a key with another one is refused.',
        effect: 'new',
      }),
    ),
    sector_size: blockSize({
      description:
        'How much is encrypted at a time; at most the block size of the base. 4096 costs less, and needs that block size.',
      effect: 'new',
      default: 512,
    }),
  },
  section('Another bdev, encrypted: a disk that dm-crypt opens, too.'),
);

const keyPlaces = ['key_file', 'key_credential'] as const;

export const crypto: BdevKind = {
  schema,
  isVolatile: false,
  // With another key the same blocks are another disk.
  part: ({ cipher, sector_size: size }, { found }) => {
    const name = typeof cipher === 'string' ? cipher : 'aes-xts-plain64';
    const bytes = typeof size === 'number' ? size : 512;
    return `${name} with sectors of ${bytes} bytes and key ${found['key_check'] ?? ''}`;
  },
  check: (bdev, path, reader) => {
    const [first, second] = keyPlaces.filter(
      (key) => bdev[key] !== undefined || reader.has(`${path}.${key}`),
    );
    if (first === undefined) {
      reader.error(
        `${path}.key_file`,
        'expected a file path, because there is no "key_credential", but "key_file" is missing',
      );
    }
    if (second !== undefined) {
      reader.error(`${path}.${second}`, `expected no "${second}", because there is a "${first}"`);
    }
  },
};
