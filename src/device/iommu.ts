/** What is said where there is no IOMMU. */

import type { MachineFiles } from './machine-files.js';

const CPU_FACTS_BYTES_MAX = 8 << 20;

/** What turns one on. */
export async function iommuAdvice(files: MachineFiles): Promise<string> {
  const advice =
    "one has to be turned on in the firmware and by the kernel's intel_iommu=on or amd_iommu=on";
  const facts = (await files.text('/proc/cpuinfo', CPU_FACTS_BYTES_MAX)) ?? '';
  const isVirtual = /^flags\s*:.*\bhypervisor\b/m.test(facts);
  if (!isVirtual) return advice;
  return `${advice}; this is a virtual machine, whose host has to give it one (QEMU: intel-iommu or virtio-iommu-pci)`;
}
