import t from 'tap';

import { contentChange } from '../../../src/identity/content-change.js';
import { contentFacts } from '../bdev/fake-files.js';

const served = contentFacts({ inode: 12n, bornNs: 5n, size: 4096n });

t.test('what is as it was has not changed, whatever was written to it', async (t) => {
  t.equal(contentChange('disk0.img', served, { ...served, identity: 'x' }), null);
});

for (const [what, now, kind, text] of [
  ['another inode', { ...served, inode: 15n }, 'replaced', /another file .*\(inode 12 → 15\)$/],
  ['another file system', { ...served, device: 9n }, 'replaced', /\(device 2049 → 9\)$/],
  ['an inode given out again', { ...served, bornNs: 6n }, 'replaced', /inode 12 again/],
  ['a device in place of a file', { ...served, kind: 'block_device' }, 'replaced', /file → block/],
  ['more', { ...served, size: 8192n }, 'resized', /^disk0.img has grown \(4096 → 8192 bytes\)$/],
  ['less', { ...served, size: 512n }, 'resized', /has shrunk/],
  ['nothing', null, 'gone', /^disk0.img is gone/],
] as const) {
  t.test(`${what} is a change: ${kind}`, async (t) => {
    t.match(contentChange('disk0.img', served, now), { kind, text });
  });
}
