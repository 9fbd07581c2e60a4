/** NVMe status in TypeScript: the 16-bit field of a completion, and its name. */

import { getBits, setBits } from './bits.js';
import {
  CommandSpecificStatusName,
  FabricsStatusName,
  GenericStatusName,
  MediaStatusName,
  NvmCommandStatusName,
  PathStatusName,
  StatusCodeType,
  StatusFieldBits,
} from './layout.gen.js';

/** Whether the host should try again: `doNotRetry` sets DNR. */
export type Retry = 'retry' | 'doNotRetry';

/**
 * The completion's 16 bits, phase tag 0, such as
 * `packStatus(StatusCodeType.generic, GenericStatus.invalidField, 'doNotRetry')`.
 */
export function packStatus(type: number, code: number, retry: Retry = 'retry'): number {
  let field = setBits(0, StatusFieldBits.code, code);
  field = setBits(field, StatusFieldBits.codeType, type);
  return setBits(field, StatusFieldBits.doNotRetry, retry === 'doNotRetry' ? 1 : 0);
}

/** Whose codes a command specific status of 80h and up uses. */
export type StatusOrigin = 'nvm' | 'fabrics';

/** The specification's name of a completion's status field. */
export function statusName(field: number, origin: StatusOrigin = 'nvm'): string {
  const code = getBits(field, StatusFieldBits.code);
  switch (getBits(field, StatusFieldBits.codeType)) {
    case StatusCodeType.generic:
      return GenericStatusName[code] ?? 'Unknown Status';
    case StatusCodeType.commandSpecific:
      return (
        (origin === 'fabrics' ? FabricsStatusName : NvmCommandStatusName)[code] ??
        CommandSpecificStatusName[code] ??
        'Unknown Status'
      );
    case StatusCodeType.mediaAndDataIntegrity:
      return MediaStatusName[code] ?? 'Unknown Status';
    case StatusCodeType.pathRelated:
      return PathStatusName[code] ?? 'Unknown Status';
    case StatusCodeType.vendorSpecific:
      return 'Vendor Specific';
    default:
      return 'Unknown Status';
  }
}
