import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ServiceNotifier } from '../../../src/cli/service-notifier.js';
import { silentLogger } from '../../../src/subsystem/logger.js';

t.test('the supervisor is told each state, with our process id', async (t) => {
  const folder = t.testdir({ 'systemd-notify': '#!/bin/sh\necho "$@" >>"$NOTIFY_SOCKET"\n' });
  chmodSync(join(folder, 'systemd-notify'), 0o755);
  const socket = join(folder, 'said');
  const environment = { NOTIFY_SOCKET: socket, PATH: folder };
  const notifier = new ServiceNotifier(silentLogger, environment);
  for (const state of ['ready', 'reloading', 'stopping'] as const) await notifier.notify(state);
  const [ready, reloading, stopping] = readFileSync(socket, 'utf8').split('\n');
  t.equal(ready, `READY=1 MAINPID=${process.pid}`);
  t.match(reloading, /^RELOADING=1 MONOTONIC_USEC=\d+ MAINPID=\d+$/);
  t.equal(stopping, `STOPPING=1 MAINPID=${process.pid}`);
});

t.test('without a supervisor nothing is started, and a failure is only logged', async (t) => {
  const warnings: string[] = [];
  const logger = {
    ...silentLogger,
    warn: (_fields: object, message: string) => warnings.push(message),
  };
  await new ServiceNotifier(logger, { PATH: '/nonexistent' }).notify('ready');
  t.strictSame(warnings, []);
  const environment = { NOTIFY_SOCKET: '/nonexistent/socket', PATH: '/nonexistent' };
  await new ServiceNotifier(logger, environment).notify('ready');
  t.strictSame(warnings, ['service notification not sent']);
});
