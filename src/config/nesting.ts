/** How deep maps and lists lie in each other, known before anything walks them by recursion. */

import { type CST, Lexer, LineCounter, Parser } from 'yaml';
import type { TextFault } from './file-text.js';

/** A valid configuration needs no more than eight. */
const LEVELS_MAX = 32;

const COLLECTIONS: ReadonlySet<CST.Token['type']> = new Set([
  'block-map',
  'block-seq',
  'flow-collection',
]);

/** The first map or list that lies too deep, if there is one. */
export function nestingFault(text: string): TextFault | undefined {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const parser = new Parser(lines.addNewLine);
  for (const lexeme of new Lexer().lex(text)) {
    // Nobody wants the tokens; what the parser is in the middle of, it keeps on a stack.
    const tokens = parser.next(lexeme);
    while (tokens.next().done !== true);
    if (parser.stack.length <= LEVELS_MAX) continue;
    const depth = parser.stack.filter(({ type }) => COLLECTIONS.has(type)).length;
    if (depth <= LEVELS_MAX) continue;
    const { line, col } = lines.linePos(parser.offset - lexeme.length);
    const message = `expected at most ${String(LEVELS_MAX)} levels of maps and lists`;
    return { line, column: col, message };
  }
  return undefined;
}
