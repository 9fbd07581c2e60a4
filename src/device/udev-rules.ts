/** The lines by which an operator lets an ordinary user bind a device. */

export const RULES_FILE = '/etc/udev/rules.d/70-capsuled.rules';

/** Without anything that means something to udev. */
const PLAIN_SERIAL = /^[\w. :/-]+$/;

/**
 * `group` is a group of users. What is written to bind and unbind is shared by all devices of the
 * bus, so its members may do it to any. `serial` is the drive's; null: it is not known.
 */
export function udevRules(address: string, serial: string | null, group: string): string[] {
  const files = [
    '/sys%p/driver_override',
    ...['drivers_probe', 'drivers/nvme/unbind', 'drivers/vfio-pci/unbind'].map(
      (name) => `/sys/bus/pci/${name}`,
    ),
  ].join(' ');
  const change = `chgrp -f ${group} ${files}; chmod -f g+w ${files}`;
  return [
    `ACTION=="add|bind", SUBSYSTEM=="pci", KERNEL=="${address}", RUN+="/bin/sh -c '${change}'"`,
    // A drive that may have several controllers has its block devices below none of them.
    serial !== null && PLAIN_SERIAL.test(serial)
      ? `SUBSYSTEM=="block", ATTRS{serial}=="${serial}", GROUP="${group}"`
      : `SUBSYSTEM=="block", KERNELS=="${address}", GROUP="${group}"`,
    `SUBSYSTEM=="vfio", GROUP="${group}", MODE="0660"`,
  ];
}
