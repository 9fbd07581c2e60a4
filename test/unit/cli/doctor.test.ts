import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { type Surroundings, doctor } from '../../../src/cli/doctor.js';
import { main } from '../../../src/cli/program.js';
import type { Terminal } from '../../../src/cli/terminal.js';
import { tryMachine } from '../../../src/engine/machine.js';
import { TargetError } from '../../../src/errors.js';
import { patient } from '../doctor/patient.js';

function screen(color = false): Terminal & { text: () => string } {
  let text = '';
  const out = (more: string): void => {
    text += more;
  };
  return { out, error: out, isTTY: color, color, text: () => text };
}

function surroundings(folder: string, changes: Partial<Surroundings> = {}): Surroundings {
  const { trial, ...rest } = patient(folder);
  if (trial instanceof TargetError) throw trial;
  return { ...rest, tryMachine: () => trial, ...changes };
}

t.test('findings are a table, with what mends them below', async (t) => {
  const folder = t.testdir({ 'c.yaml': 'version: 1\nadmin: { listen: "127.0.0.1:80" }\n' });
  const config = join(folder, 'c.yaml');
  const terminal = screen();
  const status = await doctor({ config, isConfigGiven: true }, terminal, surroundings(folder));
  t.equal(status, 1);
  const lines = terminal.text().split('\n');
  t.equal(lines[0], `ok       configuration        ${config} is valid`);
  t.equal(lines[1], 'ok       node                 v22.1.0');
  const at = lines.findIndex((line) => line.startsWith('missing'));
  t.match(lines[at], /^missing {2}port 127.0.0.1:80 {4}this user may not take port 80; /);
  t.equal(lines[at + 1], `${' '.repeat(30)}→ sysctl -w net.ipv4.ip_unprivileged_port_start=80`);
  t.notMatch(terminal.text(), '\u001b');
});

t.test('on a terminal verdicts have colours', async (t) => {
  const terminal = screen(true);
  const words = { config: '/none/c.yaml', isConfigGiven: false };
  t.equal(await doctor(words, terminal, surroundings(t.testdir())), 0);
  t.match(terminal.text(), '\n\u001b[32mok\u001b[39m      node ');
});

t.test('for machines it is JSON', async (t) => {
  const terminal = screen();
  const words = { config: '/none/c.yaml', isConfigGiven: false, json: true } as const;
  const old = surroundings(t.testdir(), { kernelRelease: '5.10.0' });
  t.equal(await doctor(words, terminal, old), 1);
  const { ok, findings } = JSON.parse(terminal.text()) as { ok: boolean; findings: object[] };
  t.notOk(ok);
  t.match(findings[0], { name: 'configuration', verdict: 'unused' });
  t.match(
    findings.find((finding) => 'name' in finding && finding.name === 'kernel'),
    { verdict: 'missing', reason: 'Linux 6.1 or newer is needed, this is 5.10.0' },
  );
});

t.test('a configuration that cannot be used is missing, and the rest is looked at', async (t) => {
  const folder = t.testdir({ 'c.yaml': 'version: 3\n' });
  const config = join(folder, 'c.yaml');
  for (const [file, reason, fix] of [
    [
      config,
      `${config} has 1 error; the rest is held against the defaults`,
      `capsuled check --config ${config}`,
    ],
    [
      '/none/c.yaml',
      'there is no file /none/c.yaml; name the configuration with --config FILE; the rest is held against the defaults',
      null,
    ],
  ] as const) {
    const terminal = screen();
    const words = { config: file, isConfigGiven: true, json: true } as const;
    t.equal(await doctor(words, terminal, surroundings(folder)), 1);
    const { findings } = JSON.parse(terminal.text()) as { findings: object[] };
    t.match(findings[0], { verdict: 'missing', reason, fix });
    t.ok(findings.length > 10);
  }
});

t.test('an engine that cannot run is said, and ends nothing', async (t) => {
  const refusing = surroundings(t.testdir(), {
    tryMachine: () => {
      throw new TargetError('platform_unsupported', 'this kernel has no io_uring: …');
    },
  });
  const terminal = screen();
  const words = { config: '/none/c.yaml', isConfigGiven: false };
  t.equal(await doctor(words, terminal, refusing), 1);
  t.match(terminal.text(), /^missing +io_uring +this kernel has no io_uring: …$/m);
  const defective = surroundings(t.testdir(), {
    tryMachine: () => {
      throw new Error('a defect');
    },
  });
  await t.rejects(doctor(words, screen(), defective), { message: 'a defect' });
});

t.test('this machine, on which the tests run, has what the daemon needs', async (t) => {
  const folder = t.testdir({
    'c.yaml': 'version: 1\nadmin: { listen: "127.0.0.1:0" }\ndiscovery: { listeners: [] }\n',
  });
  const terminal = screen();
  const status = await main(['doctor', '--config', join(folder, 'c.yaml')], terminal);
  t.equal(status, 0, terminal.text());
  t.match(terminal.text(), /^ok +io_uring +a ring can be made$/m);
});

t.test('what an engine needs grows with what it is asked for', async (t) => {
  const { engine } = patient(t.testdir()).configuration;
  const small = tryMachine({ ...engine, cores: [0], connectionsMax: 16, memoryBytes: 16 << 20 });
  const large = tryMachine({ ...engine, cores: [0, 1], connectionsMax: 65536 });
  t.equal(small.openFiles, small.openFilesLeast);
  t.equal(large.openFilesLeast, small.openFilesLeast);
  t.equal(large.openFiles, 65536 + 8192 + 512);
  t.ok(large.pinnedBytes - small.pinnedBytes > (256 - 16) << 20, 'and each reactor has its own');
});

/** Why it cannot be made here; false if it can. As tap's `skip` has it. */
const noNamespaces: string | false =
  spawnSync('unshare', ['--mount', 'true']).status === 0 ? false : 'mount namespaces need root';

t.test('without sysfs, as in a container, all else is looked at', { skip: noNamespaces }, (t) => {
  const mainScript = join(import.meta.dirname, '../../../src/main.js');
  const folder = t.testdir({
    'c.yaml': 'version: 1\nadmin: { listen: "127.0.0.1:0" }\ndiscovery: { listeners: [] }\n',
  });
  const words = [process.execPath, mainScript, 'doctor', '--config', join(folder, 'c.yaml')];
  const command = 'mount -t tmpfs none /sys && exec "$@"';
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', command, 'sh', ...words],
    { encoding: 'utf8' },
  );
  t.equal(stderr, '');
  t.equal(status, 0, stdout);
  t.match(stdout, /^unused +nvme_devices +sysfs is not mounted at \/sys, /m);
  t.end();
});
