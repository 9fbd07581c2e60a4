/** The bearer token of the side-car, which a file holds. */

export const TOKEN_EXPECTED =
  'a token of at least 16 printable ASCII characters without spaces between them';

/** What the file holds without the white space around it, or undefined if that is no token. */
export function parseToken(content: string): string | undefined {
  const token = content.trim();
  // Whoever sends it writes it into a header, behind a space: it must be one word there.
  return /^[!-~]{16,}$/.test(token) ? token : undefined;
}
