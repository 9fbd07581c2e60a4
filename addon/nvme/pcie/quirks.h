// Quirks: what some controllers do other than the specification says, by their PCI identifiers, as
// far as it matters to us. Facts of Linux's and SPDK's tables of the same name.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "env/pci_device.h"

namespace capsuled::nvme {

struct Quirks {
  /// It must not be asked for CSTS.RDY for so long after CC.EN was cleared.
  uint64_t ready_delay_ns = 0;
  /// Its namespaces have identifiers that others have, too, or that change by themselves.
  bool bogus_identifiers = false;
  /// It has Write Zeroes, and does something else, or hangs.
  bool no_write_zeroes = false;
};

/// Of the function whose vendor and device these are: 8086h and 5845h are 80865845h.
constexpr uint32_t pci_number(uint32_t vendor_id, uint32_t device_id) {
  return vendor_id << 16 | device_id;
}

inline constexpr uint64_t kReadyDelayNs = 2'300'000'000;

inline constexpr std::array kReadyDelayed = {
    pci_number(0x144d, 0xa821),  // Samsung PM1725
    pci_number(0x144d, 0xa822),  // Samsung PM1725a
    pci_number(0x1bb1, 0x0100),  // Seagate Nytro
    pci_number(0x1c58, 0x0003),  // HGST SN100
    pci_number(0x1c58, 0x0023),  // WDC SN200
    pci_number(0x1c5f, 0x0540),  // Memblaze PBlaze4
};

inline constexpr std::array kBogusIdentifiers = {
    pci_number(0x10ec, 0x5762),  // ADATA SX6000LNP
    pci_number(0x10ec, 0x5763),  // ADATA SX6000PNP, TEAMGROUP CARDEA ZERO Z330
    pci_number(0x10ec, 0x5765),  // TEAMGROUP MP33
    pci_number(0x126f, 0x2262),  // Silicon Motion SM2262
    pci_number(0x126f, 0x2263),  // Silicon Motion SM2263
    pci_number(0x1344, 0x6001),  // Micron Nitro
    pci_number(0x144d, 0xa802),  // Samsung SM953
    pci_number(0x144d, 0xa80b),  // Samsung PM9B1
    pci_number(0x1987, 0x5012),  // Phison E12
    pci_number(0x1987, 0x5016),  // Phison E16
    pci_number(0x1b36, 0x0010),  // QEMU
    pci_number(0x1c5c, 0x174a),  // SK hynix P31
    pci_number(0x1cc1, 0x33f8),  // ADATA IM2P33F8ABR1
    pci_number(0x1cc1, 0x5350),  // ADATA XPG GAMMIX S50
    pci_number(0x1d97, 0x1d97),  // Lexar NM620
    pci_number(0x1d97, 0x2263),  // Lexar NM610
    pci_number(0x1d97, 0x2269),  // Lexar NM760
    pci_number(0x1dbe, 0x5216),  // Acer FA100
    pci_number(0x1dbe, 0x5236),  // ADATA XPG GAMMIX S70
    pci_number(0x1e4b, 0x1001),  // MAXIO MAP1001
    pci_number(0x1e4b, 0x1002),  // MAXIO MAP1002
    pci_number(0x1e4b, 0x1202),  // MAXIO MAP1202
    pci_number(0x1e4b, 0x1602),  // MAXIO MAP1602
    pci_number(0x1f40, 0x1202),  // Netac NV3000
    pci_number(0x1f40, 0x5236),  // Netac NV7000
    pci_number(0x8086, 0x0a54),  // Intel P4500, P4600
    pci_number(0x8086, 0x5845),  // QEMU, before it had a number of its own
    pci_number(0xc0a9, 0x540a),  // Crucial P2
};

inline constexpr std::array kNoWriteZeroes = {
    pci_number(0x144d, 0xa809),  // Samsung MZALQ256HBJD
    pci_number(0x144d, 0xa80b),  // Samsung PM9B1
    pci_number(0x144d, 0xa822),  // Samsung PM1725a
    pci_number(0x15b7, 0x2001),  // SanDisk Skyhawk
    pci_number(0x1987, 0x5019),  // Phison E19
    pci_number(0x1987, 0x5021),  // Phison E21
    pci_number(0x1c5c, 0x1504),  // SK hynix PC400
    pci_number(0x1c5c, 0x1d59),  // SK hynix BC901
    pci_number(0x1cc4, 0x6302),  // UMIS RPJTJ256MGE1QDY
    pci_number(0x1cc4, 0x6303),  // UMIS RPJTJ512MGE1QDY
    pci_number(0x1d97, 0x2263),  // SPCC
    pci_number(0x2646, 0x5016),  // Kingston OM3PGP4xxxxP
    pci_number(0x2646, 0x5018),  // Kingston OM8SFP4xxxxP
    pci_number(0x2646, 0x501a),  // Kingston OM8PGP4xxxxP
    pci_number(0x2646, 0x501b),  // Kingston OM8PGP4xxxxQ
    pci_number(0x2646, 0x501e),  // Kingston OM3PGP4xxxxQ
    pci_number(0x2646, 0x502f),  // Kingston OM3SGP4xxxxK
    pci_number(0x8086, 0x5845),  // QEMU, before it had a number of its own
    pci_number(0x8086, 0xf1a5),  // Intel 600P, P3100
};

inline Quirks quirks_of(const env::PciFacts& facts) {
  const uint32_t number = pci_number(facts.vendor_id, facts.device_id);
  const auto is_one_of = [number](const auto& list) {
    return std::ranges::find(list, number) != list.end();
  };
  return {.ready_delay_ns = is_one_of(kReadyDelayed) ? kReadyDelayNs : 0,
          .bogus_identifiers = is_one_of(kBogusIdentifiers),
          .no_write_zeroes = is_one_of(kNoWriteZeroes)};
}

}  // namespace capsuled::nvme
