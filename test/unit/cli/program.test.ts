import { join } from 'node:path';
import t from 'tap';
import { main } from '../../../src/cli/program.js';
import type { Terminal } from '../../../src/cli/terminal.js';

async function run(...argv: string[]) {
  let out = '';
  let error = '';
  const terminal: Terminal = {
    out: (text) => (out += text),
    error: (text) => (error += text),
    isTTY: false,
    color: false,
  };
  const status = await main(argv, terminal);
  return { status, out, error };
}

t.test('--version prints the version alone', async (t) => {
  const { status, out } = await run('--version');
  t.equal(status, 0);
  t.match(out, /^\d+\.\d+\.\d+\n$/);
});

t.test('help names the commands there are, and no others', async (t) => {
  const { status, out } = await run('--help');
  t.equal(status, 0);
  for (const command of ['serve', 'check', 'acknowledge', 'perf', 'device', 'doctor'])
    t.match(out, new RegExp(`^  ${command} `, 'm'));
  for (const command of ['status', 'import']) {
    t.notMatch(out, new RegExp(`^  ${command} `, 'm'));
  }
  t.match((await run('serve', '--help')).out, /--check/);
});

t.test('wrong usage has status 2', async (t) => {
  for (const argv of [
    [],
    ['nothing'],
    ['serve', '--colour'],
    ['check', '--config'],
    ['check', 'x'],
  ]) {
    const { status, error } = await run(...argv);
    t.equal(status, 2, argv.join(' '));
    t.not(error, '');
  }
  t.match((await run('chek')).error, /Did you mean check\?/);
});

t.test('check says that a file is valid', async (t) => {
  const folder = t.testdir({ 'c.yaml': 'version: 1\n' });
  for (const argv of [['check'], ['serve', '--check']]) {
    const { status, out, error } = await run(...argv, '--config', join(folder, 'c.yaml'));
    t.equal(status, 0);
    t.match(out, /c\.yaml: valid: 0 subsystems, 0 bdevs\n$/);
    t.match(error, /c\.yaml:1:1: warning: subsystems: there are no subsystems/);
  }
});

t.test('check says what is wrong and where, with status 1', async (t) => {
  const folder = t.testdir({ 'c.yaml': 'version: 1\nlog: { levl: info }\n' });
  const file = join(folder, 'c.yaml');
  for (const argv of [['check'], ['serve', '--check'], ['serve']]) {
    const { status, error } = await run(...argv, '--config', file);
    t.equal(status, 1);
    t.match(error, `${file}:2:8: error: log.levl: expected one of level, format`);
  }
});

t.test('check --json is for machines', async (t) => {
  const folder = t.testdir({ 'c.yaml': 'version: 3\n', 'd.yaml': 'version: 1\n' });
  const file = join(folder, 'c.yaml');
  const bad = await run('check', '--json', '--config', file);
  t.equal(bad.status, 1);
  t.match(JSON.parse(bad.out), {
    valid: false,
    issues: [
      { severity: 'warning', path: 'subsystems' },
      { severity: 'error', file, line: 1, column: 10, path: 'version' },
    ],
  });
  const good = await run('check', '--json', '--config', join(folder, 'd.yaml'));
  t.equal(good.status, 0);
  t.match(JSON.parse(good.out), { valid: true });
  const none = await run('check', '--json', '--config', join(folder, 'none.yaml'));
  t.equal(none.status, 1);
  t.match(JSON.parse(none.out), { valid: false, issues: [{ line: 0 }] });
});

t.test('a file that is not there is an error without a stack', async (t) => {
  const { status, error } = await run('serve', '--config', '/nonexistent.yaml');
  t.equal(status, 1);
  t.equal(
    error,
    'capsuled: error: there is no file /nonexistent.yaml; name the configuration with --config FILE\n',
  );
});
