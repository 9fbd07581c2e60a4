import t from 'tap';
import { autoCores, highestCores, parseCoreList } from '../../../src/config/cores.js';
import {
  NEVER,
  durationPattern,
  durationHint,
  formatDuration,
  formatPatience,
  parseDuration,
  parsePatience,
} from '../../../src/config/duration.js';
import { nearest } from '../../../src/config/nearest.js';
import { formatSize, parseSize, sizeHint, sizePattern } from '../../../src/config/size.js';

t.test('sizes are powers of 1024 or of 1000, by their unit', async (t) => {
  t.equal(parseSize('512'), 512n);
  t.equal(parseSize('64KiB'), 65536n);
  t.equal(parseSize('64 KiB'), 65536n);
  t.equal(parseSize('1TiB'), 1n << 40n);
  t.equal(parseSize('3GB'), 3_000_000_000n);
  for (const wrong of [
    '',
    'KiB',
    '1kib',
    '1K',
    '-1',
    '1.5GiB',
    '0x10',
    '1GiB ',
    '1 000',
    '1valueOf',
  ]) {
    t.equal(parseSize(wrong), undefined, wrong);
  }
});

t.test('a wrong size is explained', async (t) => {
  t.equal(sizeHint('1kib'), 'write "1KiB"');
  t.equal(sizeHint('16 gb'), 'write "16GB"');
  t.equal(sizeHint('1k'), 'write "1KiB" for powers of 1024');
  t.equal(sizeHint('1 blocks'), 'unknown unit "blocks"');
  t.equal(sizeHint('-5'), 'it must not be negative');
});

t.test('what is written of a size is read as the same size', async (t) => {
  for (const size of [0n, 1n, 512n, 1023n, 1n << 20n, (1n << 30n) + 512n, 1n << 50n]) {
    t.equal(parseSize(formatSize(size)), size);
  }
  t.equal(formatSize(1n << 30n), '1GiB');
});

t.test('times have a unit', async (t) => {
  t.equal(parseDuration('50us'), 50_000);
  t.equal(parseDuration('50µs'), 50_000);
  t.equal(parseDuration('10 ms'), 10_000_000);
  t.equal(parseDuration('0'), 0);
  for (const wrong of ['', '5', 's', '1.5s', '-1s', '1S', '99999999999999h']) {
    t.equal(parseDuration(wrong), undefined, wrong);
  }
  t.equal(durationHint('1.5s'), 'fractions are not allowed');
  t.equal(durationHint('3 weeks'), 'unknown unit "weeks"');
  t.equal(durationHint('3valueOf'), 'unknown unit "valueOf"');
  t.equal(durationHint('10 MS'), 'write "10ms"');
});

t.test('the patterns for editors match what is read', async (t) => {
  for (const size of ['512', '64KiB', '64 KiB', '3GB'])
    t.match(size, new RegExp(sizePattern(0n, 1n << 40n)));
  for (const time of ['0', '10ms', '10 ms', '50µs'])
    t.match(time, new RegExp(durationPattern(0, 1e9)));
});

t.test('what is written of a time is read as the same time', async (t) => {
  for (const time of [0, 1, 50_000, 1_500_000, 2_000_000_000]) {
    t.equal(parseDuration(formatDuration(time)), time);
  }
});

t.test('the nearest word is found, and none if all are far', async (t) => {
  t.equal(nearest('subsystem', ['bdevs', 'subsystems']), 'subsystems');
  t.equal(nearest('lisen', ['listen', 'token_file']), 'listen');
  t.equal(nearest('nqm', ['nqn', 'serial']), 'nqn');
  t.equal(nearest('zzzzzz', ['nqn', 'serial']), undefined);
  t.equal(nearest('x', []), undefined);
});

t.test('reactors leave a core to the admin plane where there are several', async (t) => {
  t.strictSame(parseCoreList('0-3,8\n'), [0, 1, 2, 3, 8]);
  t.strictSame(autoCores([0]), [0]);
  t.strictSame(autoCores([0, 1]), [1]);
  t.strictSame(autoCores([0, 1, 2, 3, 4, 5, 6, 7]), [4, 5, 6, 7]);
  t.strictSame(highestCores([3, 5, 9], 2), [5, 9]);
});

t.test('a time may have no end where that is allowed', async (t) => {
  t.equal(parsePatience('never'), NEVER);
  t.equal(parsePatience('60s'), 60_000_000_000);
  t.equal(parsePatience('Never'), undefined);
  t.equal(parseDuration('never'), undefined);
  t.equal(formatPatience(NEVER), 'never');
  t.equal(formatPatience(60_000_000_000), '60s');
});
