import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { formatIssue } from '../../../src/config/issue.js';
import { loadConfiguration } from '../../../src/config/load.js';
import { jsonSchema } from '../../../src/config/editor-schema.js';
import { referencePage } from '../../../src/config/reference.js';

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'binding.gyp'))) folder = dirname(folder);
  return folder;
}

const root = packageRoot();

t.test('the reference page and the JSON Schema are those of the schema', async (t) => {
  t.equal(readFileSync(join(root, 'docs/reference/config.md'), 'utf8'), referencePage());
  t.equal(readFileSync(join(root, 'docs/reference/config.schema.json'), 'utf8'), jsonSchema());
});

t.test('every key of the reference says what it takes and when it takes effect', async (t) => {
  const rows = referencePage()
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  t.ok(rows.length > 40);
  for (const row of rows) {
    const [, key, what, takes, fallback, effect] = row
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
    t.ok(what, `${key}: what`);
    t.ok(takes, `${key}: takes`);
    t.ok(fallback, `${key}: default`);
    t.ok(effect !== '' || takes === 'a map', `${key}: takes effect`);
  }
});

t.test('the configuration that comes with the package is valid, without a warning', async (t) => {
  const { issues, configuration } = await loadConfiguration(join(root, 'config.yaml'));
  t.strictSame(issues.map(formatIssue), []);
  t.equal(configuration?.target.subsystems.length, 1);
});
