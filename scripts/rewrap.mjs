// Rewraps comments that run past 100 columns in files that clang-format does not see. Only a
// paragraph with a long line is touched; a list item, an indented example or a table stays apart.
//
//   node scripts/rewrap.mjs FILE...

import { readFileSync, writeFileSync } from 'node:fs';

const columnsMax = 100;

/** The parts of a comment line: what introduces it, and its text. */
function split(line) {
  const match = /^(\s*(?:\/\/\/?|#|\*|\/\*\*)) (\S.*)$/.exec(line);
  if (match === null || match[2].endsWith('*/')) return undefined;
  return { prefix: match[1].replace(/\/\*\*$/, ' *'), opening: match[1], text: match[2] };
}

function startsApart(text) {
  return /^([-*|@]|\d+\.) ?/.test(text);
}

function wrap(words, { opening, prefix }) {
  const lines = [];
  let line = opening;
  for (const word of words) {
    if (line !== opening && `${line} ${word}`.length > columnsMax) {
      lines.push(line);
      line = prefix;
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

/** The text with every long comment paragraph rewrapped. */
export function rewrap(text) {
  const lines = text.split('\n');
  const result = [];
  for (let i = 0; i < lines.length; i++) {
    let line = lines[i];
    // A long one-line block comment becomes an open one.
    const block = /^(\s*)\/\*\* (.*) \*\/$/.exec(line);
    if (block !== null && line.length > columnsMax) {
      const words = block[2].split(' ');
      const prefix = `${block[1]} *`;
      result.push(`${block[1]}/**`, ...wrap(words, { opening: prefix, prefix }), `${prefix}/`);
      continue;
    }
    const comment = split(line);
    if (comment === undefined || line.length <= columnsMax || line.includes('://')) {
      result.push(line);
      continue;
    }
    const words = comment.text.split(' ');
    while (i + 1 < lines.length) {
      const next = split(lines[i + 1]);
      if (next === undefined || next.opening !== comment.prefix || startsApart(next.text)) break;
      words.push(...next.text.split(' '));
      i++;
    }
    result.push(...wrap(words, comment));
  }
  return result.join('\n');
}

for (const file of process.argv.slice(2)) {
  const text = readFileSync(file, 'utf8');
  const wrapped = rewrap(text);
  if (wrapped !== text) writeFileSync(file, wrapped);
}
