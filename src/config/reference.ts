/**
 * The reference page for readers (docs/reference/config.md), generated from the schema.
 * `scripts/generate-reference.ts` writes it; a test compares.
 */

import { expectation } from './expectation.js';
import type { SchemaNode } from './schema-node.js';
import { configurationSchema } from './schema.js';

const root = configurationSchema as unknown as SchemaNode;

const EFFECTS: Readonly<Record<string, string>> = {
  restart: 'restart',
  reload: 'reload',
  new: 'reload, by removing and adding the object',
};

const PREAMBLE = `# config.yaml

<!-- Generated from src/config/schema.ts by scripts/generate-reference.ts. Do not edit. -->

\`capsuled serve\` and \`capsuled check\` read \`./config.yaml\`, or the file named with \`--config\`. The format is YAML 1.2
in UTF-8, without tags and merge keys. Unknown keys are errors. Everything wrong is reported
at once, each as \`file:line:column: error: key: what was expected\`.

- **Sizes** are integers of bytes, or numbers with a unit: \`512\`, \`64KiB\`, \`1GiB\` (powers of 1024); \`KB\`, \`MB\`, \`GB\` are decimal.
- **Numbers** are decimal, without leading zeros: what other spellings mean differs between
  readers of YAML.
- **Times** are numbers with a unit: \`50us\`, \`10ms\`, \`2s\`.
- **Relative paths** begin at the folder of the configuration file.
- **Takes effect**: *reload* means when the daemon gets SIGHUP; *restart* means at
  the next start. An invalid file leaves a running daemon as it is, and so does one whose changes
  would cut off connected hosts or destroy data: see [reload.md](reload.md).

For completion and checks in an editor, put this line on top of the file:

\`\`\`yaml
# yaml-language-server: $schema=docs/reference/config.schema.json
\`\`\`
`;

/** The text of docs/reference/config.md. */
export function referencePage(): string {
  const parts = [PREAMBLE, table('Top level', root)];
  for (const [key, node] of Object.entries(root.properties ?? {})) {
    parts.push(...sections(key, node));
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

/** The tables of a section and of what is in it. */
function sections(path: string, node: SchemaNode): string[] {
  if (node['x-discriminator'] !== undefined) {
    const tag = node['x-discriminator'];
    return (node.anyOf ?? []).map((variant) =>
      [
        table(`${path}, kind ${String(variant.properties?.[tag]?.const)}`, variant),
        ...innerTables(variant),
      ].join('\n'),
    );
  }
  if (node.type === 'array' && node.items !== undefined) {
    return sections(`${path}[]`, node.items);
  }
  const objects = node.type === 'object' ? [node] : (node.anyOf ?? []).filter(isObject);
  return objects.flatMap((object) => [
    table(path, object),
    ...Object.entries(object.properties ?? {}).flatMap(([key, inner]) =>
      sections(`${path}.${key}`, inner),
    ),
  ]);
}

function isObject(node: SchemaNode): boolean {
  return node.type === 'object';
}

const KEYS_BEGIN =
  '<!-- Generated from the schema by scripts/generate-reference.ts. Do not edit. -->';
const KEYS_END = '<!-- Until here. -->';

/** A manual with the table of its keys; undefined: it has no place for one. */
export function withKeys(
  manual: string,
  schema: SchemaNode,
  toReference: '' | '../',
): string | undefined {
  const [before, behind] = [manual.indexOf(KEYS_BEGIN), manual.indexOf(KEYS_END)];
  if (before < 0 || behind < before) return undefined;
  const head = manual.slice(0, before + KEYS_BEGIN.length);
  const tables = [keyTable(schema, toReference).join('\n'), ...innerTables(schema)]
    .join('\n\n')
    .trimEnd();
  return `${head}\n\n${tables}\n\n${manual.slice(behind)}`;
}

/** Of the maps that keys of a bdev have; one table for all keys that have the same. */
function innerTables({ properties = {} }: SchemaNode): string[] {
  const keys = new Map<SchemaNode, string[]>();
  for (const [key, property] of Object.entries(properties)) {
    const isList = property.type === 'array';
    const inner = isList ? property.items : property;
    for (const object of [inner, ...(inner?.anyOf ?? [])]) {
      if (object?.type !== 'object') continue;
      keys.set(object, [...(keys.get(object) ?? []), `\`${key}${isList ? '[]' : ''}\``]);
    }
  }
  return [...keys].map(([object, names]) =>
    [`${names.join(', ')}: ${object.description ?? ''}`, '', ...keyTable(object), ''].join('\n'),
  );
}

/** `toReference`: from the page to docs/reference. */
function keyTable(node: SchemaNode, toReference = ''): string[] {
  const rows = Object.entries(node.properties ?? {}).map(([key, property]) =>
    row(key, property, node.required?.includes(key) === true, toReference),
  );
  return ['| key | what | takes | default | takes effect |', '|---|---|---|---|---|', ...rows];
}

function table(title: string, node: SchemaNode): string {
  const later = (node['x-later'] ?? []).map((key) => `\`${key}\``).join(', ');
  return [
    `## ${title}`,
    '',
    node.description ?? '',
    '',
    ...keyTable(node),
    '',
    ...(later === '' ? [] : [`Known, but not available in this version: ${later}.`, '']),
  ].join('\n');
}

function row(key: string, node: SchemaNode, required: boolean, toReference: string): string {
  const fallback = defaultText(node, required);
  const effect = EFFECTS[node['x-effect'] ?? ''] ?? '';
  const page = node['x-page'];
  const more = page === undefined ? '' : ` See [${page}](${toReference}${page}).`;
  const cells = [`\`${key}\``, (node.description ?? '') + more, takes(node), fallback, effect];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function defaultText(node: SchemaNode, required: boolean): string {
  if (node.default !== undefined)
    return `\`${JSON.stringify(node.default).replace(/^"(.*)"$/, '$1')}\``;
  if (node.type === 'object') return 'the defaults of its keys';
  return required ? 'none: it must be given' : 'see there';
}

function takes(node: SchemaNode): string {
  const least = node['x-least'];
  const most = node['x-most'];
  const range = least === undefined || most === undefined ? '' : `, ${least} to ${most}`;
  return expectation(node) + range;
}
