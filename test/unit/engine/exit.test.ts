import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';

t.test('a process ends although a thread of its pool never will', (t) => {
  const fifo = join(t.testdir(), 'fifo');
  execFileSync('mkfifo', [fifo]);
  const exit = pathToFileURL(join(import.meta.dirname, '../../../src/engine/exit.js')).href;
  const script = `
    import { readFile } from 'node:fs';
    import { exitProcess } from ${JSON.stringify(exit)};
    process.on('exit', (status) => process.stdout.write('exit ' + status));
    readFile(${JSON.stringify(fifo)}, () => undefined);
    exitProcess(3);
  `;
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    // Only there to end a process that does not end.
    { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' },
  );
  t.strictSame(
    { status, signal, stdout, stderr },
    {
      status: 3,
      signal: null,
      stdout: 'exit 3',
      stderr: '',
    },
  );
  t.end();
});
