import t from 'tap';

import { TimeAllowance } from '../../../src/engine/time-allowance.js';

t.test('so much at once, and then a share of the time', async (t) => {
  const allowance = new TimeAllowance(0.25, 100, 0);
  t.equal(allowance.leftMs(0), 100);
  allowance.take(120);
  t.equal(allowance.leftMs(0), -20);
  t.equal(allowance.waitMs(0, 1), 84, 'what was too much is waited for');
  t.equal(allowance.leftMs(40), -10);
  t.equal(allowance.leftMs(84), 1);
  t.equal(allowance.waitMs(84, 1), 0);
});

t.test('what is not used is kept up to the burst', async (t) => {
  const allowance = new TimeAllowance(0.5, 100, 0);
  allowance.take(100);
  t.equal(allowance.leftMs(1e6), 100);
});
