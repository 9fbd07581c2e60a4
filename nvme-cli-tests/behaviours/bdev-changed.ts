import type { OuterSide } from '../behaviour.js';
import { checkOtherDisk, expectLine, words, writeOtherDisk } from '../other-disk.js';

const bdev = "\n  - { name: file1, kind: uring, path: '$DIR/disk1.img', block_size: 512 }";

function changed(text: string): string {
  return text
    .replace('\nsubsystems:', `${bdev}\nsubsystems:`)
    .replace('{ nsid: 1, bdev: file0 }', '{ nsid: 1, bdev: file1 }');
}

const side: OuterSide = {
  actions: {
    'reload-refused': async ({ daemon }) => {
      writeOtherDisk(daemon.pathOf('disk1.img'));
      const said = await daemon.reloadRefused(changed);
      expectLine(said, 'make namespace 1 of', 'another disk (file1)', '(disconnect)');
      expectLine(said, 'to do it: `capsuled apply --allow disconnect`');
      return undefined;
    },
    apply: ({ daemon }) => daemon.command('apply', '--allow', 'disconnect'),
    words: () => words,
    untouched: ({ daemon }) => {
      checkOtherDisk(daemon.pathOf('disk1.img'));
      return undefined;
    },
  },
};
export default side;
