import { renameSync } from 'node:fs';
import type { OuterSide } from '../behaviour.js';
import { checkOtherDisk, expectLine, words, writeOtherDisk } from '../other-disk.js';

const same = (text: string): string => text;
const step = 'close bdev file0 and open it again';
const reason = 'is another file than the one being served';

const side: OuterSide = {
  actions: {
    replace: ({ daemon }) => {
      const path = daemon.pathOf('new.img');
      writeOtherDisk(path);
      renameSync(path, daemon.pathOf('disk0.img'));
      return undefined;
    },
    'reload-refused': async ({ daemon }) => {
      const said = await daemon.reloadRefused(same);
      expectLine(said, 'make namespace 1 of', 'another disk (file0)', '(disconnect)');
      expectLine(said, 'to do it: `capsuled apply --allow disconnect`');
      return undefined;
    },
    plan: async ({ daemon }) => {
      const lines = (await daemon.command('plan')).split('\n');
      expectLine(lines, `would: ${step}: `, 'disk0.img', reason);
      return undefined;
    },
    apply: async ({ daemon }) => {
      const text = await daemon.command('apply', '--allow', 'disconnect');
      expectLine(text.split('\n'), `done: ${step}: `, reason);
      return text;
    },
    words: () => words,
    untouched: ({ daemon }) => {
      checkOtherDisk(daemon.pathOf('disk0.img'));
      return undefined;
    },
  },
};
export default side;
