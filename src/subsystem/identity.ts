/** The forms of identifiers: text and bytes, and what follows from what. */

import { createHash } from 'node:crypto';

/** Names of ours are hashed below this UUID. */
const nameSpace = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex');

/**
 * A UUID made of a name, after RFC 9562 (version 5's method with SHA-256: version 8): equal for
 * equal names, and like no other.
 */
export function namedUuid(purpose: string, name: string): string {
  return uuidOfDigest(digest(purpose, name));
}

/** The UUID (version 8) that the first bytes of a hash make. */
export function uuidOfDigest(hash: Buffer): string {
  const uuid = Buffer.from(hash.subarray(0, 16));
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x80, 6);
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuidText(uuid);
}

/**
 * 32 hexadecimal digits, not all zero. An NGUID carries an OUI that we don't own, so it is as
 * unique as a hash is.
 */
export function nguidOf(uuid: string): string {
  return digest('nguid', uuid.toLowerCase()).toString('hex').slice(0, 32);
}

function digest(purpose: string, name: string): Buffer {
  return createHash('sha256').update(nameSpace).update(purpose).update('\0').update(name).digest();
}

/** `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`. */
export function uuidText(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/** 16 bytes. The text was validated. */
export function uuidBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}
