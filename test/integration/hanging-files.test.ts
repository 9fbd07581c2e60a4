/** Disks that do not answer, and what else of a process waits for them: nothing. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { startEngine } from '../../src/engine/engine.js';
import { within } from '../host/bounded.js';
import { engineOptions } from './engine-target.js';

/** More than Node has threads for files. */
const count = 6;

/**
 * Who opens a file waits for whoever has a lease of it (fcntl(2), F_SETLEASE) to give it back,
 * which this holder does when its input ends.
 */
const holder = `
  use Fcntl;
  $SIG{IO} = 'IGNORE';
  my @files;
  for my $path (@ARGV) {
    open(my $file, '<', $path) or die "$path: $!";
    fcntl($file, 1024, F_WRLCK) or die "$path: $!";
    push @files, $file;
  }
  $| = 1;
  print "held\\n";
  <STDIN>;
`;

t.test('disks that hang keep neither other files nor other disks waiting', async (t) => {
  const folder = t.testdir();
  const paths = Array.from({ length: count }, (_, index) => join(folder, `disk${index}`));
  for (const path of paths) await writeFile(path, Buffer.alloc(1 << 20));
  const child = spawn('perl', ['-e', holder, ...paths], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  await within(once(child.stdout, 'data'), 'the leases');

  const engine = await startEngine(engineOptions, () => undefined);
  let openCount = 0;
  const opened = paths.map(async (path, index) => {
    await engine.bdevCreate({ name: `disk${index}`, kind: 'uring', path });
    openCount += 1;
  });
  t.match(await within(readFile('/proc/self/comm', 'utf8'), 'another file'), /./);
  const created = engine.bdevCreate({ name: 'ram', kind: 'malloc', size: 1n << 20n });
  t.match(await within(created, 'another disk'), { name: 'ram' });
  t.equal(openCount, 0, 'they hang meanwhile');

  child.stdin.end();
  await within(ended, 'the end of the holder');
  await within(Promise.all(opened), 'the disks');
  await engine.stop();
});
