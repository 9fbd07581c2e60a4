/**
 * Writes what the documents have from the configuration schema: docs/reference/config.md,
 * config.schema.json, and the tables of keys in docs/reference/bdev and qos.md; `--check` only
 * compares.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { kindSchemas } from '../src/bdev/kinds.js';
import { qosSchema } from '../src/bdev/qos.js';
import { jsonSchema } from '../src/config/editor-schema.js';
import { referencePage, withKeys } from '../src/config/reference.js';
import type { SchemaNode } from '../src/config/schema-node.js';

const files: Record<string, string | undefined> = {
  'docs/reference/config.md': referencePage(),
  'docs/reference/config.schema.json': jsonSchema(),
  'docs/reference/qos.md': withKeys(
    readFileSync('docs/reference/qos.md', 'utf8'),
    qosSchema as SchemaNode,
    '',
  ),
};
for (const [kind, schema] of kindSchemas()) {
  const file = `docs/reference/bdev/${kind}.md`;
  files[file] = withKeys(readFileSync(file, 'utf8'), schema, '../');
}

for (const [file, wanted] of Object.entries(files)) {
  if (wanted === undefined) {
    console.error(`${file} has no place for the table of keys; see another one`);
    process.exitCode = 1;
  } else if (!process.argv.includes('--check')) {
    writeFileSync(file, wanted);
  } else if (readFileSync(file, 'utf8') !== wanted) {
    console.error(`${file} is out of date: run node dist/scripts/generate-reference.js`);
    process.exitCode = 1;
  }
}
