import { readFileSync } from 'node:fs';
import t from 'tap';

interface PlantedFault {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

// The scripts run before anything is compiled.
const script: string = new URL('../../../../scripts/planted.mjs', import.meta.url).href;

t.test('every fault can be planted, in one place', async (t) => {
  const { plantedFaults } = (await import(script)) as { plantedFaults: readonly PlantedFault[] };
  t.ok(plantedFaults.length >= 25);
  t.equal(new Set(plantedFaults.map(({ name }) => name)).size, plantedFaults.length);
  for (const { name, file, find, replace } of plantedFaults) {
    const places = readFileSync(file, 'utf8').split(find).length - 1;
    t.equal(places, 1, `${name} in ${file}`);
    t.not(find, replace);
  }
});
