/** What the kernel's refusals mean, in words for whoever named the file. */

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EIO: 'the device or file system below reports an error',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links lead in a circle',
  EMFILE: 'this process has too many files open',
  ENAMETOOLONG: 'the name is too long',
  ENFILE: 'this machine has too many files open',
  ENODEV: 'there is no such device',
  ENOENT: 'there is no such file',
  ENOMEM: 'there is not enough memory',
  ENOTDIR: 'a part of its path is a file where a folder should be',
  ENXIO: 'there is no such device',
  EPERM: 'this user may not do that',
};

/** Why a file could not be used; completes "it cannot be read: …". */
export function fileReason(thrown: unknown): string {
  const { code = '', message = String(thrown) } = thrown as Partial<NodeJS.ErrnoException>;
  return REASONS[code] ?? message;
}
