/**
 * Writes docs/reference/config.md and config.schema.json from the configuration schema; `--check`
 * only compares.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { jsonSchema } from '../src/config/editor-schema.js';
import { referencePage } from '../src/config/reference.js';

const files: Readonly<Record<string, string>> = {
  'docs/reference/config.md': referencePage(),
  'docs/reference/config.schema.json': jsonSchema(),
};

for (const [file, wanted] of Object.entries(files)) {
  if (!process.argv.includes('--check')) {
    writeFileSync(file, wanted);
  } else if (readFileSync(file, 'utf8') !== wanted) {
    console.error(`${file} is out of date: run node dist/scripts/generate-reference.js`);
    process.exitCode = 1;
  }
}
