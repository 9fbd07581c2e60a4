import type { OuterSide } from '../behaviour.js';

const bdev = '\n  - { name: ram1, kind: malloc, size: 32MiB, block_size: 4096 }';
const namespace = ', { nsid: 2, bdev: ram1 }';

function replaceOnce(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the configuration lacks ${from}`);
  return text.replace(from, to);
}

const side: OuterSide = {
  actions: {
    'add-namespace': ({ daemon }) => {
      daemon.reload((text) =>
        replaceOnce(
          replaceOnce(text, '\nsubsystems:', `${bdev}\nsubsystems:`),
          '{ nsid: 1, bdev: ram0 }',
          `{ nsid: 1, bdev: ram0 }${namespace}`,
        ),
      );
      return undefined;
    },
    'remove-namespace': async ({ daemon }) => {
      await daemon.apply((text) => replaceOnce(replaceOnce(text, namespace, ''), bdev, ''));
      return undefined;
    },
  },
};
export default side;
