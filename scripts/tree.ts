/** Where the project's own files are, seen from compiled scripts in dist/scripts/. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const folders = ['addon', 'src', 'test', 'scripts', 'bench', 'nvme-cli-tests'];
const endings = ['.cc', '.h', '.ts', '.mjs', '.js', '.gypi'];

function walk(folder: string): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'corpus' ? [] : walk(name);
    return endings.some((ending) => name.endsWith(ending)) ? [name] : [];
  });
}

/** The files under the house rules, relative to the root. */
export function tidyFiles(): string[] {
  const present = new Set(readdirSync(root));
  const found = folders.filter((folder) => present.has(folder)).flatMap(walk);
  return ['binding.gyp', ...found].sort();
}
