/** The examples of the manuals of bdev kinds, as a configuration has them. */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export interface ExampleBdev {
  readonly name: string;
  readonly kind: string;
  readonly [key: string]: unknown;
}

/** The `bdevs` of each example in docs/reference/bdev/<kind>.md, in order. */
export function manualExamples(kind: string): readonly (readonly ExampleBdev[])[] {
  const here = dirname(fileURLToPath(import.meta.url));
  const manual = readFileSync(join(here, `../../../docs/reference/bdev/${kind}.md`), 'utf8');
  return [...manual.matchAll(/^```yaml\n(.*?)^```$/gms)].map(
    ([, text = '']) => (parse(text) as { bdevs: ExampleBdev[] }).bdevs,
  );
}
