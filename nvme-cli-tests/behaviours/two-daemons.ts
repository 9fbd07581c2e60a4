import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { OuterSide } from '../behaviour.js';
import { Daemon } from '../daemon.js';

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const config = new URL('../../../nvme-cli-tests/behaviours/default.yaml', import.meta.url);

const side: OuterSide = {
  actions: {
    /** A daemon of its own folder, as on another machine; gives its port. */
    'start-other': async ({ notes }) => {
      const folder = mkdtempSync(join(tmpdir(), 'capsuled-other-'));
      mkdirSync(folder, { recursive: true });
      const text = readFileSync(config, 'utf8').replace(/ {4}serial: .*\n/, '');
      const other = new Daemon(main, folder, text);
      notes.set('other', { other, folder });
      await other.start();
      return other.guestEnv['PORT'];
    },
    'stop-first': async ({ daemon }) => {
      await daemon.kill();
      return undefined;
    },
    'start-first': async ({ daemon }) => {
      await daemon.start();
      return undefined;
    },
  },
  afterwards: async ({ notes }) => {
    const { other, folder } = notes.get('other') as { other: Daemon; folder: string };
    await other.stop();
    rmSync(folder, { recursive: true });
  },
};
export default side;
