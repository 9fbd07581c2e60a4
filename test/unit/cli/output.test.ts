import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const mainScript = fileURLToPath(new URL('../../../src/main.js', import.meta.url));

function configurationFile(t: Test, text: string): string {
  const file = join(t.testdir(), 'c.yaml');
  writeFileSync(file, text);
  return file;
}

/** Runs the program; a stream is closed before anything is written, or a file. */
async function run(argv: readonly string[], out: 'closed' | number, error: 'closed' | 'pipe') {
  const stdio = ['ignore', out === 'closed' ? 'pipe' : out, 'pipe'] as const;
  const child = spawn(process.execPath, [mainScript, ...argv], { stdio: [...stdio] });
  child.stdout?.destroy();
  let text = '';
  if (error === 'closed') child.stderr?.destroy();
  else child.stderr?.setEncoding('utf8').on('data', (part: string) => (text += part));
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { status, signal, text };
}

t.test('a reader that has seen enough is no error', async (t) => {
  const valid = configurationFile(t, 'version: 1\nsubsystems: []');
  for (const argv of [['--help'], ['perf', '--help'], ['check', '--config', valid, '--json']]) {
    t.strictSame(await run(argv, 'closed', 'pipe'), { status: 0, signal: null, text: '' });
  }
});

t.test('the status is that of the command, read or not', async (t) => {
  const invalid = configurationFile(t, 'version: 2');
  for (const options of [[], ['--json']]) {
    const { status } = await run(['check', '--config', invalid, ...options], 'closed', 'closed');
    t.equal(status, 1);
  }
  t.equal((await run(['nothing'], 'closed', 'closed')).status, 2);
});

t.test('output that is lost on a full disk is a failure', async (t) => {
  const { status, text } = await run(['--help'], openSync('/dev/full', 'w'), 'pipe');
  t.equal(status, 1);
  t.match(text, /^capsuled: error: standard output cannot be written: .*ENOSPC/);
});
