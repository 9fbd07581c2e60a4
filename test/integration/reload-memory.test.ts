/**
 * What hundreds of reloads leave behind: nothing that grows. Counted where it can be, and else in
 * the heap after a full collection.
 */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';

import { Daemon } from '../../src/cli/daemon.js';
import { ServiceNotifier } from '../../src/cli/service-notifier.js';
import { loadConfiguration } from '../../src/config/load.js';
import { startEngine } from '../../src/engine/engine.js';
import { createLogger } from '../../src/log.js';
import { LogSink } from '../../src/log-sink.js';
import { silentLogger } from '../../src/subsystem/logger.js';
import { until } from '../host/bounded.js';
import { TcpHost } from '../host/tcp-host.js';
import { makeFolder, subsystemNqn } from './daemon.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface Parts {
  readonly isReadOnly?: boolean;
  readonly size?: string;
  readonly other?: boolean;
  readonly file?: boolean;
  readonly discovery?: boolean;
}

function yaml({ isReadOnly = false, size = '1MiB', other, file, discovery }: Parts): string {
  const bdevs = [
    { name: 'ram0', kind: 'malloc', size: '1MiB' },
    { name: 'ram1', kind: 'malloc', size, disposable: true },
    ...(file === true
      ? [{ name: 'file0', kind: 'uring', path: 'disk0.img', size: '1MiB', create: true }]
      : []),
  ];
  const listeners = [{ address: '127.0.0.1', port: 0 }];
  const subsystem = {
    nqn: subsystemNqn,
    allow_any_host: true,
    listeners,
    namespaces: [{ nsid: 1, bdev: 'ram0', read_only: isReadOnly }],
  };
  const second = { nqn: `${subsystemNqn}b`, allow_any_host: true, listeners };
  return JSON.stringify({
    version: 1,
    engine: { reactors: 2, memory: '64MiB' },
    admin: { listen: '127.0.0.1:0' },
    discovery: { listeners: discovery === true ? [{ address: '127.0.0.2', port: 0 }] : [] },
    bdevs,
    subsystems: [
      subsystem,
      { ...second, namespaces: other === true ? [] : [{ nsid: 1, bdev: 'ram1' }] },
      ...(other === true ? [{ ...second, nqn: `${subsystemNqn}c` }] : []),
    ],
    log: { level: 'warn', format: 'json' },
  });
}

/** Each is one state and another, which reloads go to and fro between. */
const changes: readonly { name: string; one: Parts; other: Parts }[] = [
  { name: 'nothing', one: {}, other: {} },
  { name: 'read_only', one: {}, other: { isReadOnly: true } },
  { name: 'a RAM disk', one: {}, other: { size: '2MiB' } },
  { name: 'a file', one: {}, other: { file: true } },
  { name: 'a subsystem', one: {}, other: { other: true } },
  { name: 'a listener', one: {}, other: { discovery: true } },
];

const folder = makeFolder(t);
const file = join(folder, 'config.yaml');
writeFileSync(file, yaml({}));
const { configuration } = await loadConfiguration(file);
const sink = new LogSink({
  write: () => true,
  flush: () => true,
  status: () => ({ pendingBytes: 0, errno: 0 }),
});
const logger = await createLogger(configuration!.log, {
  isTTY: false,
  color: false,
  sink,
});
const daemon = new Daemon(configuration!, {
  file,
  version: '0.0.0',
  logger,
  logSink: sink,
  notifier: new ServiceNotifier(silentLogger, {}),
  startEngine,
});
await daemon.start();
t.teardown(() => daemon.stop());
// A host that is there all the time is told of everything.
const [listener] = daemon.target.listeners;
const host = await TcpHost.connect(listener!.actual, subsystemNqn);
t.teardown(() => {
  host.kill();
});

async function reload(count: number, one: Parts, other: Parts): Promise<void> {
  for (let round = 0; round < count; round++) {
    writeFileSync(file, yaml(round % 2 === 0 ? other : one));
    await daemon.reload({ allow: [], dryRun: false });
  }
}

async function heapBytes(): Promise<number> {
  await until('nothing to drain', () => daemon.target.drains.length === 0);
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;

for (const { name, one, other } of changes) {
  t.test(`reloads that change ${name} leave nothing behind`, async (t) => {
    const rounds = 120;
    // Caches, compiled code and the shapes of objects grow at first.
    await reload(rounds, one, other);
    const open = descriptors();
    let grown = Infinity;
    // What the compiler learns comes at times; what stays with each reload comes each time.
    for (let attempt = 0; attempt < 3 && grown >= 2048; attempt++) {
      const before = await heapBytes();
      await reload(rounds, one, other);
      grown = ((await heapBytes()) - before) / rounds;
    }
    // A configuration that stays is thousands of bytes.
    t.ok(grown < 2048, `${Math.round(grown)} bytes stay with each reload`);
    t.equal(descriptors(), open);
    await host.io.read(0n, 8);
  });
}
