import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import type { OuterSide } from '../behaviour.js';
import type { Outer } from '../outer.js';

const namespace = ', { nsid: 2, bdev: safe0 }';

function bdevsOf({ daemon }: Outer): string {
  const bdevs = [
    `{ name: file0, kind: uring, path: '${daemon.pathOf('disk0.img')}', size: 40MiB, create: true }`,
    '{ name: part0, kind: split, base: file0, offset: 1MiB }',
    `{ name: safe0, kind: crypto, base: part0, key_file: '${daemon.pathOf('key')}' }`,
  ];
  return bdevs.map((bdev) => `\n  - ${bdev}`).join('');
}

const side: OuterSide = {
  actions: {
    add: async (outer) => {
      const key = outer.daemon.pathOf('key');
      if (!existsSync(key)) writeFileSync(key, randomBytes(64), { mode: 0o600 });
      await outer.daemon.apply((text) =>
        text
          .replace('\nsubsystems:', `${bdevsOf(outer)}\nsubsystems:`)
          .replace('{ nsid: 1, bdev: ram0 }', `{ nsid: 1, bdev: ram0 }${namespace}`),
      );
      return undefined;
    },
    remove: async (outer) => {
      await outer.daemon.apply((text) => text.replace(namespace, '').replace(bdevsOf(outer), ''));
      return undefined;
    },
  },
};
export default side;
