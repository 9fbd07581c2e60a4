import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { OuterSide } from '../behaviour.js';

const line = /\n {2}- \{ name: safe0.*|\n {2}# The rest is added.*/;
const mark = '\n  # The rest is added by the outer side.';

const side: OuterSide = {
  actions: {
    /** The namespace is the crypto bdev, of a new key if there is none of that size. */
    crypto: async ({ daemon, notes }, bytes = '', sector = '') => {
      const path = daemon.pathOf(`key${bytes}`);
      if (!notes.has(bytes)) writeFileSync(path, randomBytes(Number(bytes)), { mode: 0o600 });
      notes.set(bytes, true);
      const bdev =
        `\n  - { name: safe0, kind: crypto, base: file0, key_file: '${path}', ` +
        `sector_size: ${sector} }`;
      await daemon.apply((text) =>
        text.replace(line, bdev).replace(/bdev: \w+ \}\]/, 'bdev: safe0 }]'),
      );
      return undefined;
    },
    /** The namespace is what is below it. */
    plain: async ({ daemon }) => {
      await daemon.apply((text) =>
        text.replace(line, mark).replace(/bdev: \w+ \}\]/, 'bdev: file0 }]'),
      );
      return undefined;
    },
    /** As printf takes it. */
    key: ({ daemon }, bytes = '') =>
      [...readFileSync(daemon.pathOf(`key${bytes}`))]
        .map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`)
        .join(''),
  },
};
export default side;
