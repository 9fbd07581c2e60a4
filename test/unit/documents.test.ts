import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { main } from '../../src/cli/program.js';

function markdownBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
}

const pages = ['README.md', 'CONTRIBUTING.md', ...markdownBelow('docs')].map((file) => ({
  file,
  text: readFileSync(file, 'utf8'),
}));

async function commands(): Promise<string[]> {
  let help = '';
  const write = (text: string) => (help += text);
  await main(['--help'], { out: write, error: write, isTTY: false, color: false });
  return [...help.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name = '']) => name);
}

/** What the pages name, with the page. */
function named(pattern: RegExp): { file: string; name: string }[] {
  return pages.flatMap(({ file, text }) =>
    [...text.matchAll(pattern)].map(([, name = '']) => ({ file, name })),
  );
}

t.test('the pages name only commands that there are', async (t) => {
  const known = await commands();
  t.ok(known.includes('serve'));
  const found = named(/(?:`|^ {4}|main\.js |\$ )(?:npx )?capsuled ([a-z]+)/gm);
  t.ok(found.length > 5);
  t.strictSame(
    found.filter(({ name }) => !known.includes(name)),
    [],
  );
});

t.test('the pages name only scripts that there are', async (t) => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
  const found = named(/npm run ([a-z]+)/g);
  t.ok(found.length > 5);
  t.strictSame(
    found.filter(({ name }) => !(name in scripts)),
    [],
  );
});
