import { randomBytes } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import type { OuterSide } from '../behaviour.js';

const mark = '\n  # The others are added by the outer side.';

const side: OuterSide = {
  actions: {
    /** The namespace is a new file, encrypted from its second MiB on. */
    make: async ({ daemon }) => {
      writeFileSync(daemon.pathOf('key'), randomBytes(64), { mode: 0o600 });
      writeFileSync(daemon.pathOf('disk0.img'), '');
      truncateSync(daemon.pathOf('disk0.img'), 32 * 2 ** 20);
      const bdevs = [
        `{ name: file0, kind: uring, path: '${daemon.pathOf('disk0.img')}' }`,
        '{ name: part0, kind: split, base: file0, offset: 1MiB }',
        `{ name: safe0, kind: crypto, base: part0, key_file: '${daemon.pathOf('key')}' }`,
      ];
      const lines = bdevs.map((bdev) => `\n  - ${bdev}`).join('');
      await daemon.apply((text) =>
        text.replace(mark, lines).replace('bdev: ram0 }]', 'bdev: safe0 }]'),
      );
      return undefined;
    },
    grow: ({ daemon }, mebibytes = '') => {
      truncateSync(daemon.pathOf('disk0.img'), Number(mebibytes) * 2 ** 20);
      return undefined;
    },
    restart: async ({ daemon }) => {
      await daemon.kill();
      await daemon.start();
      return undefined;
    },
  },
};
export default side;
