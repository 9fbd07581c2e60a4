import { existsSync, readFileSync } from 'node:fs';

/** Of the package that this file is in: two levels up in the sources, three in dist. */
export function packageVersion(): string {
  const candidates = ['../../../package.json', '../../package.json'];
  for (const candidate of candidates) {
    const url = new URL(candidate, import.meta.url);
    if (!existsSync(url)) continue;
    const { name, version } = JSON.parse(readFileSync(url, 'utf8')) as Record<string, unknown>;
    if (name === 'capsuled' && typeof version === 'string') return version;
  }
  return '0.0.0';
}
