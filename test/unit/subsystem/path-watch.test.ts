/** What the log says of the paths of a bdev. */

import t from 'tap';

import type { BdevPath } from '../../../src/engine/engine-types.js';
import { PathWatch } from '../../../src/subsystem/path-watch.js';

const live: BdevPath = { name: 'a:1', state: 'live', access: 'optimized', reason: '' };

/** Looks at one path after the other; answers the lines of each look. */
function lines(...looks: readonly (readonly BdevPath[])[]): string[][] {
  let said: string[] = [];
  const log =
    (level: string) =>
    (fields: object, message: string): void => {
      const { path } = fields as { path: string };
      said.push(`${level} ${path} ${message}`);
    };
  const watch = new PathWatch({
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    debug: log('debug'),
  });
  return looks.map((paths) => {
    said = [];
    watch.look('far0', paths);
    return said;
  });
}

t.test('a path that is lost says so once for each reason, and when it is back', (t) => {
  const away = (reason: string): BdevPath => ({
    ...live,
    state: 'reconnecting',
    access: '',
    reason,
  });
  t.strictSame(
    lines(
      [live],
      [away('the admin queue ended: closed_by_peer')],
      [away('the admin queue ended: connect_failed')],
      [away('the admin queue ended: closed_by_peer')],
      [{ ...away('the admin queue ended: connect_failed'), state: 'lost' }],
      [live],
      [live],
      [away('the admin queue ended: connect_failed')],
    ),
    [
      [],
      ['warn a:1 the path was lost, and is tried again: the admin queue ended: closed_by_peer'],
      ['warn a:1 the path was lost, and is tried again: the admin queue ended: connect_failed'],
      [],
      ['warn a:1 the path was lost, and is not tried any more'],
      ['info a:1 the path is live'],
      [],
      ['warn a:1 the path was lost, and is tried again: the admin queue ended: connect_failed'],
    ],
  );
  t.end();
});

t.test('what changes about the access of a path is said', (t) => {
  t.strictSame(
    lines(
      [live],
      [{ ...live, access: 'non_optimized' }],
      [{ ...live, access: 'inaccessible', reason: 'its access is inaccessible' }],
      [{ ...live, access: 'inaccessible', reason: 'its access is inaccessible' }],
      [live],
    ),
    [
      [],
      ['info a:1 the access by this path is non_optimized now'],
      ['warn a:1 the path is not used: its access is inaccessible'],
      [],
      ['info a:1 the path is live'],
    ],
  );
  t.end();
});

t.test('a path that comes and goes with discovery', (t) => {
  const other: BdevPath = { ...live, name: 'b:2', state: 'connecting', access: '' };
  t.strictSame(lines([live], [live, other], [live, { ...live, name: 'b:2' }], [live]), [
    [],
    [],
    ['info b:2 the path is live'],
    ['info b:2 this path is not known any more'],
  ]);
  t.end();
});
