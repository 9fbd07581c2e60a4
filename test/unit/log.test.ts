import t from 'tap';
import { createLogger } from '../../src/log.js';
import { LogSink } from '../../src/log-sink.js';

t.test('fields of the log are named as those of the API', async (t) => {
  const lines: string[] = [];
  const sink = new LogSink({
    write: (line) => lines.push(line) > 0,
    flush: () => true,
    status: () => ({ pendingBytes: 0 }),
  });
  const logger = await createLogger(
    { level: 'info', format: 'json' },
    { isTTY: false, color: false, sink },
  );
  logger.info({ hostNqn: 'nqn.x', keepAliveTimeoutMs: 5, qid: 1, err: new Error('x') }, 'made');
  const [line = ''] = lines;
  t.match(JSON.parse(line), {
    ...{ level: 'info', msg: 'made', host_nqn: 'nqn.x', keep_alive_timeout_ms: 5, qid: 1 },
    err: { message: 'x' },
  });
});
