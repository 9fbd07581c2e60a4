import { EventEmitter, once } from 'node:events';
import { realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { serve } from '../../../src/cli/serve.js';
import type { Terminal } from '../../../src/cli/terminal.js';
import type { EngineEvent, EngineEventsSink } from '../../../src/engine/engine-types.js';
import { TargetError } from '../../../src/errors.js';
import { LogSink } from '../../../src/log-sink.js';
import { until } from '../../host/bounded.js';
import { FakeEngine } from '../metrics/fake-engine.js';

type Line = Record<string, unknown> & { msg: string; level: string };

const disk = (name: string, port: number) => `
  - nqn: nqn.2026-11.x:${name}
    allow_any_host: true
    listeners: [{ address: 127.0.0.1, port: ${port} }]
    namespaces: [{ nsid: 1, bdev: ${name} }]`;

const bdev = (name: string) => `{ name: ${name}, kind: malloc, size: 1MiB }`;

/** One subsystem for each name, on ports from 5000. */
function yaml(...names: string[]): string {
  return `version: 1
admin: { listen: 127.0.0.1:0 }
bdevs: [${names.map(bdev).join(', ')}]
subsystems:${names.map((name, index) => disk(name, 5000 + index)).join('')}
`;
}

/** A daemon over a fake engine; signals are events, the log is a list that can be waited on. */
function start(
  t: Test,
  text: string,
  changes: {
    engine?: FakeEngine;
    failure?: Error;
    starting?: () => void;
    /** The engine never starts. */
    hangs?: true;
    stopDeadlineMs?: number;
    files?: Record<string, string>;
  } = {},
) {
  const file = join(t.testdir(changes.files), 'c.yaml');
  writeFileSync(file, text);
  const engine = changes.engine ?? new FakeEngine();
  const signals = new EventEmitter();
  const logged = new EventEmitter();
  const lines: Line[] = [];
  const exits: number[] = [];
  const sinks: EngineEventsSink[] = [];
  let out = '';
  const terminal: Terminal = {
    out: (written) => (out += written),
    error: (written) => (out += written),
    isTTY: false,
    color: false,
  };
  const status = serve(file, terminal, {
    startEngine: (_options, sink) => {
      sinks.push(sink);
      changes.starting?.();
      if (changes.hangs === true) return new Promise(() => undefined);
      return changes.failure === undefined
        ? Promise.resolve(engine)
        : Promise.reject(changes.failure);
    },
    ...(changes.stopDeadlineMs === undefined ? {} : { stopDeadlineMs: changes.stopDeadlineMs }),
    signals,
    exit: (code) => exits.push(code),
    openLog: () =>
      Promise.resolve(
        new LogSink({
          write: (line) => {
            lines.push(JSON.parse(line) as Line);
            logged.emit('line');
            return true;
          },
          flush: () => true,
          status: () => ({ pendingBytes: 0 }),
        }),
      ),
  });
  const line = async (msg: string | RegExp): Promise<Line> => {
    for (;;) {
      const found = lines.find((entry) =>
        typeof msg === 'string' ? entry.msg === msg : msg.test(entry.msg),
      );
      if (found !== undefined) return found;
      await once(logged, 'line');
    }
  };
  /** As if the engine had told it. */
  const tell = (event: EngineEvent): void => {
    for (const sink of sinks) sink([event]);
  };
  return { file, engine, signals, lines, line, exits, status, tell, output: () => out };
}

/** An engine whose stop ends when it is released. */
function engineThatWaits() {
  const engine = new FakeEngine();
  let release = (): void => undefined;
  engine.stopped = new Promise((resolve) => {
    release = resolve;
  });
  return {
    engine,
    release: () => {
      release();
    },
  };
}

t.test('it says when it is ready, on which addresses, and how to connect', async (t) => {
  const daemon = start(t, yaml('a', 'b'));
  const ready = await daemon.line('ready');
  t.match(ready, {
    level: 'info',
    listeners: [
      { address: '127.0.0.1', port: 8009, subsystems: [] },
      { address: '127.0.0.1', port: 5000, subsystems: ['nqn.2026-11.x:a'] },
      { address: '127.0.0.1', port: 5001, subsystems: ['nqn.2026-11.x:b'] },
    ],
    admin: /^http:\/\/127\.0\.0\.1:[1-9]\d*$/,
    connect: [
      'nvme connect -t tcp -a 127.0.0.1 -s 5000 -n nqn.2026-11.x:a',
      'nvme connect -t tcp -a 127.0.0.1 -s 5001 -n nqn.2026-11.x:b',
    ],
  });
  const response = await fetch(`${String(ready['admin'])}/readyz`);
  t.equal(response.status, 200);
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('however much is served, the ready line is short', async (t) => {
  const names = Array.from({ length: 300 }, (_, index) => `${'x'.repeat(200)}${index}`);
  const daemon = start(
    t,
    yaml(...names)
      .replace(/name: x+/g, 'name: b')
      .replace(/bdev: x+/g, 'bdev: b'),
  );
  const ready = await daemon.line('ready');
  t.match(ready, { listener_count: 301, subsystem_count: 300 });
  t.equal((ready['connect'] as string[]).at(-1), '… and 280 more');
  t.ok(JSON.stringify(ready).length < 20_000);
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('SIGTERM drains: listeners first, the engine last', async (t) => {
  const daemon = start(t, yaml('a'));
  const ready = await daemon.line('ready');
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
  await daemon.line('stopped');
  const { calls } = daemon.engine;
  t.equal(calls.at(-1), 'stop');
  t.ok(calls.findIndex((call) => call.startsWith('listenerRemove')) < calls.indexOf('stop'));
  await t.rejects(fetch(`${String(ready['admin'])}/healthz`));
  t.equal(daemon.signals.listenerCount('SIGTERM'), 0);
});

t.test('a start that does not end is given up when it is told to stop', async (t) => {
  const daemon = start(t, yaml('a').replace('1\n', '1\nlog: { level: fatal }\n'), {
    hangs: true,
    stopDeadlineMs: 1,
    starting: () => daemon.signals.emit('SIGTERM'),
  });
  t.equal(await daemon.status, 1);
  t.match(daemon.lines, [
    { level: 'fatal', msg: 'gave up the start, which was starting the engine', seconds: 0.001 },
  ]);
  t.equal(daemon.signals.listenerCount('SIGTERM'), 0);

  const twice = start(t, yaml('a'), {
    hangs: true,
    starting: () => twice.signals.emit('SIGTERM') && twice.signals.emit('SIGTERM'),
  });
  while (twice.exits.length === 0) await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(twice.exits, [0], 'a second signal ends it at once');
});

t.test('a start that ends after it was told to stop is drained', async (t) => {
  const daemon = start(t, yaml('a'), { starting: () => daemon.signals.emit('SIGTERM') });
  t.equal(await daemon.status, 0);
  t.equal(daemon.engine.calls.at(-1), 'stop');
});

t.test('told to stop before it has read its file, it has nothing to do', async (t) => {
  const daemon = start(t, yaml('a'));
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
  t.strictSame(daemon.engine.calls, []);
});

t.test('a second signal ends it at once', async (t) => {
  const { engine, release } = engineThatWaits();
  const daemon = start(t, yaml('a'), { engine });
  await daemon.line('ready');
  daemon.signals.emit('SIGINT');
  await daemon.line('stopping');
  t.strictSame(daemon.exits, []);
  daemon.signals.emit('SIGINT');
  t.strictSame(daemon.exits, [0]);
  release();
  t.equal(await daemon.status, 0);
});

t.test('SIGHUP makes the changes of the file and no others', async (t) => {
  const daemon = start(t, yaml('a'));
  await daemon.line('ready');
  const before = daemon.engine.calls.length;
  writeFileSync(
    daemon.file,
    yaml('a', 'b').replace('version: 1', 'version: 1\nlog: { level: warn }'),
  );
  daemon.signals.emit('SIGHUP');
  await daemon.line('reloading');
  await until('the new listener', () => daemon.engine.calls.includes('listenerAdd 127.0.0.1 5001'));
  const made = daemon.engine.calls.slice(before);
  t.ok(made.includes('bdevCreate b'));
  t.notOk(made.some((call) => /bdevDelete|listenerRemove|bdevCreate a| 5000$/.test(call)));
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('SIGHUP while it starts is done when it has started', async (t) => {
  const daemon = start(t, yaml('a'), {
    starting: () => {
      writeFileSync(daemon.file, yaml('a', 'b'));
      daemon.signals.emit('SIGHUP');
    },
  });
  await daemon.line('reloaded');
  t.ok(daemon.engine.calls.includes('listenerAdd 127.0.0.1 5001'));
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('a reload that the stop overtakes brings nothing back', async (t) => {
  const { engine, release } = engineThatWaits();
  const daemon = start(t, yaml('a'), { engine });
  await daemon.line('ready');
  writeFileSync(daemon.file, yaml('a', 'b'));
  daemon.signals.emit('SIGHUP');
  daemon.signals.emit('SIGTERM');
  await daemon.line('not reloaded: the daemon is stopping');
  release();
  t.equal(await daemon.status, 0);
  t.notOk(engine.calls.includes('bdevCreate b'));
  t.equal(engine.calls.filter((call) => call === 'bdevCreate a').length, 1);
});

t.test('it is not ready while discovery does not listen as configured', async (t) => {
  const engine = new FakeEngine();
  engine.takenPorts.add(8009);
  const daemon = start(t, yaml('a'), { engine });
  const ready = await daemon.line('ready');
  const response = await fetch(`${String(ready['admin'])}/readyz`);
  t.equal(response.status, 503);
  t.match(await response.json(), {
    reasons: [
      /^discovery\.listeners\[0\]: could not listen on .*: something listens there already/,
    ],
  });
  daemon.signals.emit('SIGTERM');
  await daemon.status;
});

t.test('it is not ready while hosts are turned away that did nothing wrong', async (t) => {
  const daemon = start(t, yaml('a'));
  const ready = await daemon.line('ready');
  const readiness = (): Promise<Response> => fetch(`${String(ready['admin'])}/readyz`);
  t.equal((await readiness()).status, 200);
  const peer = { address: '192.0.2.7', port: 40000 };
  daemon.tell({ type: 'connections_refused', count: 3, listener: 1, peer });
  const response = await readiness();
  t.equal(response.status, 503);
  t.match(await response.json(), { reasons: [/^hosts are turned away: connections /] });
  daemon.signals.emit('SIGTERM');
  await daemon.status;
});

t.test(
  'an invalid file changes nothing, and the log has its errors with their places',
  async (t) => {
    const daemon = start(t, yaml('a'));
    const ready = await daemon.line('ready');
    const before = daemon.engine.calls.length;
    writeFileSync(daemon.file, 'version: 1\nlog: { level: loud }\n');
    daemon.signals.emit('SIGHUP');
    const error = await daemon.line(/c\.yaml:2:15: error: log\.level: expected one of /);
    t.match(error, { level: 'error', file: daemon.file, line: 2, column: 15, key: 'log.level' });
    await daemon.line(/the configuration is invalid; the running one stays in force/);
    t.equal(daemon.engine.calls.length, before);
    t.equal((await fetch(`${String(ready['admin'])}/readyz`)).status, 200);
    daemon.signals.emit('SIGTERM');
    t.equal(await daemon.status, 0);
  },
);

t.test('a reload reads the token again, and is refused while there is none', async (t) => {
  const [first, second] = ['the-first-token-of-all', 'the-second-of-the-tokens'];
  const withToken = (...names: string[]) =>
    yaml(...names).replace('127.0.0.1:0 }', '127.0.0.1:0, token_file: token }');
  const daemon = start(t, withToken('a'), { files: { token: first } });
  const token = join(dirname(daemon.file), 'token');
  const url = `${String((await daemon.line('ready'))['admin'])}/v1/config`;
  const status = async (given: string): Promise<number> =>
    (await fetch(url, { headers: { authorization: `Bearer ${given}` } })).status;
  t.equal(await status(first), 200);

  rmSync(token);
  writeFileSync(daemon.file, withToken('a', 'b'));
  daemon.signals.emit('SIGHUP');
  await daemon.line(/the configuration is invalid; the running one stays in force/);
  t.equal(await status(first), 200);
  t.notOk(daemon.engine.calls.includes('bdevCreate b'));

  writeFileSync(token, second);
  daemon.signals.emit('SIGHUP');
  await daemon.line('reloaded');
  t.equal(await status(first), 401);
  t.equal(await status(second), 200);
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('permission for another file than the daemon reads is none', async (t) => {
  const token = 'a-token-of-enough-length';
  const withToken = yaml('a').replace('127.0.0.1:0 }', '127.0.0.1:0, token_file: token }');
  const daemon = start(t, withToken, { files: { token, 'c.bak': withToken } });
  const url = `${String((await daemon.line('ready'))['admin'])}/v1/reload`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const reload = async (body: object) => {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as object };
  };
  writeFileSync(daemon.file, withToken.replace('1MiB', '2MiB'));
  // Somebody wrote to the disk.
  daemon.engine.bdevWords[4] = 1n;
  const before = daemon.engine.calls.length;
  const other = join(dirname(daemon.file), 'c.bak');
  for (const rest of [{ allow: ['data-loss'] }, { dry_run: true }]) {
    t.match(await reload({ file: other, ...rest }), {
      status: 409,
      body: {
        code: 'file_differs',
        field: 'file',
        detail: `nothing has changed: the daemon reads ${daemon.file}, not ${other}`,
      },
    });
  }
  t.equal(daemon.engine.calls.length, before);
  t.match(await reload({ dry_run: true }), { status: 200, body: { file: daemon.file } });
  const meant = { file: realpathSync(daemon.file), allow: ['data-loss'] };
  t.match(await reload(meant), { status: 200, body: { applied: true, file: daemon.file } });
  // The name that the daemon was started with has become a link.
  renameSync(daemon.file, other);
  symlinkSync('c.bak', daemon.file);
  t.match(await reload({ file: other }), { status: 200, body: { file: daemon.file } });
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('what needs a restart is said at a reload', async (t) => {
  const daemon = start(t, yaml('a'));
  await daemon.line('ready');
  writeFileSync(daemon.file, yaml('a').replace('version: 1', 'version: 1\nengine: { poll: busy }'));
  daemon.signals.emit('SIGHUP');
  await daemon.line('the changed section "engine" needs a restart to take effect');
  await daemon.line('reloaded');
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('a file that was cut at a line end is refused, with a line for each step', async (t) => {
  const daemon = start(t, yaml('a', 'b'));
  const ready = await daemon.line('ready');
  const before = daemon.engine.calls.length;
  // Somebody wrote to the disks.
  daemon.engine.bdevWords[4] = 1n;
  // Valid YAML, and the most of it is missing.
  writeFileSync(daemon.file, yaml('a', 'b').split('bdevs:')[0]!);
  daemon.signals.emit('SIGHUP');
  t.match(
    await daemon.line(/^delete bdev a: it is a RAM disk, and its content is gone \(data-loss\)$/),
    {
      level: 'error',
      needs: ['data-loss'],
      key: 'bdevs[0]',
    },
  );
  t.match(await daemon.line(/^the configuration was not applied: nothing has changed/), {
    code: 'permission_needed',
  });
  await daemon.line(/^to give permission, set admin\.token_file, restart, and use `capsuled apply/);
  t.equal(daemon.engine.calls.length, before);
  t.equal((await fetch(`${String(ready['admin'])}/readyz`)).status, 200);
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('the configuration that is printed, applied again, is nothing to change', async (t) => {
  const daemon = start(t, yaml('a'));
  const ready = await daemon.line('ready');
  const before = daemon.engine.calls.length;
  const printed = await (await fetch(`${String(ready['admin'])}/v1/config`)).text();
  writeFileSync(daemon.file, printed);
  daemon.signals.emit('SIGHUP');
  t.match(await daemon.line('reloaded'), { changes: 0 });
  t.equal(daemon.engine.calls.length, before);
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
});

t.test('a port that is taken names its key, and nothing is left running', async (t) => {
  const engine = new FakeEngine();
  engine.takenPorts.add(5000);
  const daemon = start(t, yaml('a'), { engine });
  t.equal(await daemon.status, 1);
  const line = await daemon.line(/^capsuled cannot start/);
  t.equal(line['key'], 'subsystems[0].listeners[0]');
  t.equal(
    line.msg,
    'capsuled cannot start: subsystems[0].listeners[0]: could not listen on 127.0.0.1:5000: something listens there already; nothing has changed',
  );
  t.notOk('err' in line, 'no stack');
  t.equal(engine.calls.at(-1), 'stop');
});

t.test('an engine that cannot start is said with its reason', async (t) => {
  const failure = new TargetError('platform_unsupported', 'io_uring is disabled: sysctl …');
  const daemon = start(t, yaml('a'), { failure });
  t.equal(await daemon.status, 1);
  t.match(await daemon.line(/^capsuled cannot start/), {
    code: 'platform_unsupported',
    msg: 'capsuled cannot start: io_uring is disabled: sysctl …',
  });
});

t.test('a defect at start is logged with its stack', async (t) => {
  const daemon = start(t, yaml('a'), { failure: new Error('oops') });
  t.equal(await daemon.status, 1);
  t.match(await daemon.line(/unexpected error/), { err: { message: 'oops', stack: String } });
});

t.test('no log.level hides why it ends, or why a reload was refused', async (t) => {
  const silent = (...names: string[]) =>
    yaml(...names).replace('1\n', '1\nlog: { level: fatal }\n');
  const failing = start(t, silent('a'), {
    failure: new TargetError('platform_unsupported', 'io_uring is disabled: sysctl …'),
  });
  t.equal(await failing.status, 1);
  t.match(failing.lines, [
    { level: 'fatal', msg: 'capsuled cannot start: io_uring is disabled: sysctl …' },
  ]);

  const daemon = start(t, silent('a'), {
    starting: () => {
      writeFileSync(daemon.file, silent('a').replace('fatal', 'loud'));
      daemon.signals.emit('SIGHUP');
    },
  });
  await daemon.line(/c\.yaml:2:15: error: log\.level: expected one of /);
  await daemon.line(/the configuration is invalid; the running one stays in force/);
  daemon.engine.bdevWords[4] = 1n;
  writeFileSync(daemon.file, silent('a').split('bdevs:')[0]!);
  daemon.signals.emit('SIGHUP');
  await daemon.line(/^delete bdev a: it is a RAM disk/);
  await daemon.line(/^the configuration was not applied: nothing has changed/);
  await daemon.line(/^to give permission/);
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
  t.strictSame(
    daemon.lines.filter(({ level }) => level !== 'error'),
    [],
  );
});

t.test('a warning of the runtime goes to the log, not to standard error', async (t) => {
  const own = process.listeners('warning');
  const daemon = start(t, yaml('a'));
  await daemon.line('ready');
  process.emitWarning('something is odd', { code: 'ODD' });
  const line = await daemon.line('warning of the runtime');
  t.match(line, { level: 'warn', err: { message: 'something is odd', code: 'ODD' } });
  daemon.signals.emit('SIGTERM');
  t.equal(await daemon.status, 0);
  t.strictSame(process.listeners('warning'), own);
});
