/** /v1/reactors: the threads that move the data. */

import { type Static, Type } from '../json-schema.js';
import { listRoute } from './listing.js';
import type { AdminSources, ResourcePlugin } from './sources.js';

const reactorSchema = Type.Object({
  reactor: Type.Integer(),
  core: Type.Integer(),
  connection_count: Type.Integer(),
  statistics: Type.Record(Type.String(), Type.Integer(), {
    description: "The reactor's counters by name; times in ns.",
  }),
});

export const reactorsPlugin: ResourcePlugin = async (app, { sources }) => {
  listRoute(app, '/reactors', {
    summary: 'The reactors',
    item: reactorSchema,
    sortBy: ['reactor', 'core', 'connection_count'],
    items: () => reactors(sources),
  });
};

function reactors({ engine, target, configuration }: AdminSources): Static<typeof reactorSchema>[] {
  const { cores } = configuration().engine;
  const counts = new Map<number, number>();
  for (const { reactor } of target.connections) counts.set(reactor, (counts.get(reactor) ?? 0) + 1);
  return engine.reactorStats().map((words, reactor) => ({
    reactor,
    core: cores[reactor] ?? -1,
    connection_count: counts.get(reactor) ?? 0,
    statistics: Object.fromEntries(
      engine.facts.statNames.reactor.map((name, index) => [name, Number(words[index] ?? 0n)]),
    ),
  }));
}
