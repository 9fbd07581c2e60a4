import t from 'tap';

import { AddressShares, addressPlan } from '../../../src/subsystem/address-shares.js';

t.test('however many addresses take all that they may, guarantees of others are left', (t) => {
  const plan = addressPlan(3584);
  t.same(plan, { guarantee: 8, members: 256, shared: 1536, sharedMax: 1152 });
  const shares = new AddressShares(plan);
  let total = 0;
  for (let index = 0; index < 200; index += 1) {
    const room = shares.room(`10.0.1.${index}`);
    shares.charge(`10.0.1.${index}`, room);
    total += room;
  }
  t.equal(total, plan.shared + 200 * plan.guarantee);
  t.equal(shares.room('10.0.1.7'), 0);
  t.equal(shares.room('10.0.2.1'), plan.guarantee);
  t.notOk(shares.isFull('10.0.2.1', plan.guarantee + 1), 'what it lacks others have');
  t.end();
});

t.test('one address has its part, and what it gives back is there again', (t) => {
  const plan = addressPlan(56);
  const shares = new AddressShares(plan);
  const most = plan.guarantee + plan.sharedMax;
  t.equal(shares.room('a'), most);
  shares.charge('a', most);
  t.equal(shares.room('a'), 0);
  t.ok(shares.isFull('a', 1));
  t.equal(shares.room('b'), plan.guarantee + plan.shared - plan.sharedMax);
  shares.charge('a', -most);
  t.equal(shares.held('a'), 0);
  t.equal(shares.room('b'), most);
  t.end();
});

t.test('addresses beyond those with a guarantee use the shared part', (t) => {
  const plan = addressPlan(56);
  const shares = new AddressShares(plan);
  for (let index = 0; index < plan.members; index += 1) shares.charge(`a${index}`, 1);
  t.equal(shares.room('late'), plan.sharedMax);
  shares.charge('a0', -1);
  t.equal(shares.room('late'), plan.guarantee + plan.sharedMax);
  t.end();
});
