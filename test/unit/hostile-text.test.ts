import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { pino } from 'pino';
import t from 'tap';
import { createApp } from '../../src/admin/server.js';
import type { AdminSources } from '../../src/admin/sources.js';
import { main } from '../../src/cli/program.js';
import { formatIssue } from '../../src/config/issue.js';
import { parseConfiguration } from '../../src/config/load.js';
import { LogSink } from '../../src/log-sink.js';
import { createLogger } from '../../src/log.js';
import { isPrintable, printableJson, printableLine } from '../../src/printable.js';

/** What moves cursors, ends lines, turns the direction, hides, or is no character at all. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[
          '\u001b]0;pwn\u0007',
          '\u001b[2J',
          '\n',
          '\r',
          '\u0000',
          '\u0085',
          '\u009b31m',
          '\u007f',
        ],
        ...[
          '\ufeff',
          '\u202e',
          '\u2066',
          '\u200b',
          '\u2028',
          '\u2029',
          '\u{e0041}',
          '\ud800',
          '\ue000',
        ],
        ...['"', '\\', '\\u{1b}', "'", ': ', '#', '*a', '&a', ' ', '\t'],
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''));

/** Names as YAML takes them: what ends one is left out. */
const name = hostile.map((text) => `a${text.replace(/[\s,[\]{}\p{Cc}]/gu, '')}`);

function check(property: (text: string) => void | Promise<void>, text = hostile): Promise<void> {
  return fc.assert(
    fc.asyncProperty(text, async (each) => {
      await property(each);
    }),
    { numRuns: 200 },
  );
}

/** Throws unless a terminal would show each line of it as it is. */
function mustBePrintable(text: string, lines = 1): void {
  const all = text.split('\n');
  if (all.length > lines) throw new Error(`${all.length} lines: ${JSON.stringify(text)}`);
  for (const line of all) if (line !== printableLine(line)) throw new Error(JSON.stringify(text));
}

t.test('what is printable is not escaped again', async () => {
  await check((text) => {
    const once = printableLine(text);
    mustBePrintable(once);
    if (printableLine(once) !== once) throw new Error(once);
  });
});

t.test('JSON is printable, and says the same', async (t) => {
  await check((text) => {
    const json = printableJson(JSON.stringify({ [text]: [text] }));
    mustBePrintable(json);
    t.strictSame(JSON.parse(json), { [text]: [text] });
  });
});

t.test('an issue of a configuration is one line, whatever the file holds', async () => {
  const text = fc.tuple(hostile, name).map((parts) => parts.join('\u0001'));
  await check((both) => {
    const [value = '', alias = ''] = both.split('\u0001');
    const quoted = JSON.stringify(value);
    const texts = [
      `version: 1\n${quoted}: 1`,
      `version: ${quoted}`,
      `version: 1\n${quoted}: 1\n${quoted}: 2`,
      `version: 1\nbdevs: *${alias}`,
      `version: 1\n&${alias} bdevs: *${alias}`,
      `version: 1\n!${alias} bdevs: []`,
      `version: ${alias}`,
      `version: 1\nadmin: { token_file: ${quoted} }`,
      `version: 1\nbdevs: [{ name: ${quoted}, kind: ${quoted}, ${quoted}: 1 }]`,
      value,
    ];
    for (const each of texts) {
      for (const issue of parseConfiguration(each, `c${value}.yaml`, [0, 1]).issues) {
        mustBePrintable(formatIssue(issue));
      }
    }
  }, text);
});

t.test('an alias is shown by a name that can be read', async (t) => {
  const { issues } = parseConfiguration('version: 1\nbdevs: *x\u202ey\ufeff', 'c.yaml', [0, 1]);
  const [error] = issues.filter(({ severity }) => severity === 'error');
  t.match(error?.message, 'got the alias "*x\\u{202e}y\\u{feff}", before which');
});

async function requested(url: string, reason = ''): Promise<string> {
  const none: unknown[] = [];
  const target = { subsystems: none, bdevs: none };
  const metrics = { scrape: () => Promise.resolve({ contentType: 'text/plain', body: '' }) };
  const logger = pino({ level: 'silent' });
  const app = await createApp(
    {
      ...{ target, metrics, logger, version: '1', unreadyReasons: () => [reason] },
    } as unknown as AdminSources,
    null,
  );
  const { body } = await app.inject(url);
  await app.close();
  return body;
}

t.test('a refusal of the side-car is printable, whatever the URL names', async (t) => {
  for (const text of ['\u202e', '\u009b2J', '\ufeff', 'a\nb', '\u001b[2J', '\u{e0041}']) {
    const encoded = encodeURIComponent(text);
    for (const path of ['v1/subsystems/', 'v1/subsystems/x/', '', 'v1/bdevs?sort=', 'v1/bdevs?']) {
      const body = await requested(`/${path}${encoded}`);
      mustBePrintable(body);
      const { detail, field = '' } = JSON.parse(body) as { detail: string; field?: string };
      t.ok(isPrintable(detail), detail);
      t.ok(isPrintable(field), field);
    }
    const ready = await requested('/readyz', text);
    mustBePrintable(ready);
    t.same(JSON.parse(ready), { status: 'unready', reasons: [text] });
  }
});

for (const format of ['json', 'pretty'] as const) {
  t.test(`a line of the log is one line, whatever it says (${format})`, async (t) => {
    const lines: string[] = [];
    const sink = new LogSink({
      write: (line) => lines.push(line) > 0,
      flush: () => true,
      status: () => ({ pendingBytes: 0 }),
    });
    const output = { isTTY: false, color: false, sink };
    const logger = await createLogger({ level: 'info', format }, output);
    await check((text) => {
      lines.splice(0);
      logger.info({ key: text, list: [text], inner: { value: text } }, `it is ${text}`);
      const [line = ''] = lines;
      if (!line.endsWith('\n')) throw new Error(line);
      mustBePrintable(line.slice(0, -1));
      if (format === 'json') t.match(JSON.parse(line), { key: text, msg: `it is ${text}` });
    });
    lines.splice(0);
    logger.error({ err: new Error('\u001b[2J\u202e') }, 'a defect');
    t.match(lines.join(''), /Error: \\u\{?0*1b/);
    for (const line of lines.join('').split('\n')) mustBePrintable(line);
  });
}

t.test('what the program prints of a file is printable', async (t) => {
  const folder = t.testdir({});
  const file = join(folder, 'c.yaml');
  for (const text of ['\u001b]0;pwn\u0007', '\u202e', 'x\nc.yaml: valid', '\u009b2J']) {
    const quoted = JSON.stringify(text);
    writeFileSync(file, `version: 1\n${quoted}: 1\nadmin: { token_file: ${quoted} }`);
    for (const words of [
      ['check', '--config', file],
      ['check', '--json', '--config', file],
      ['serve', '--config', file],
      ['serve', '--config', `${file}${text}`],
    ]) {
      let printed = '';
      const print = (part: string): void => {
        printed += part;
      };
      const terminal = { out: print, error: print, isTTY: false, color: false };
      t.equal(await main(words, terminal), 1);
      mustBePrintable(printed, Infinity);
      t.notMatch(printed, /^c.yaml: valid/m);
    }
  }
});
