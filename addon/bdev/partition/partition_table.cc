#include "bdev/partition/partition_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "bdev/partition/gpt_table.h"
#include "bdev/partition/mbr_table.h"

namespace capsuled {

namespace {

void append_utf8(std::string& text, uint32_t code_point) {
  const auto tail = [&](uint32_t shift) {
    text.push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3f)));
  };
  if (code_point < 0x80) {
    text.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    text.push_back(static_cast<char>(0xc0 | (code_point >> 6)));
    tail(0);
  } else if (code_point < 0x10000) {
    text.push_back(static_cast<char>(0xe0 | (code_point >> 12)));
    tail(6);
    tail(0);
  } else {
    text.push_back(static_cast<char>(0xf0 | (code_point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

/// Halves of surrogate pairs that stand alone become what no UTF-8 has, each another.
std::string utf8(const std::u16string& name) {
  std::string text;
  for (size_t index = 0; index < name.size(); ++index) {
    uint32_t code_point = name[index];
    const bool is_first_half = code_point >= 0xd800 && code_point < 0xdc00;
    const char16_t next = index + 1 < name.size() ? name[index + 1] : u'\0';
    if (is_first_half && next >= 0xdc00 && next < 0xe000) {
      code_point = 0x10000 + ((code_point - 0xd800) << 10) + (next - 0xdc00u);
      ++index;
    }
    append_utf8(text, code_point);
  }
  return text;
}

}  // namespace

PartitionTableReading read_partition_table(const PartitionedDisk& disk) {
  const auto* const block = disk.blocks(0, 1);
  if (block == nullptr) return {};
  MasterBootRecord record;
  std::memcpy(&record, block->data(), sizeof(record));
  if (!is_mbr(record)) {
    return {.error =
                "expected a GPT or an MBR, got neither in block 0; one that was made for "
                "another block size than " +
                std::to_string(disk.block_size) + " bytes may not be found"};
  }
  const bool is_gpt = std::ranges::any_of(record.partition_records, [](const MbrEntry& entry) {
    return entry.os_type == kOsTypeGptProtective;
  });
  return is_gpt ? read_gpt(disk) : read_mbr(disk, record);
}

std::string guid_text(const Guid& guid) {
  constexpr std::array<uint8_t, 16> kOrder = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  std::string text;
  for (size_t index = 0; index < kOrder.size(); ++index) {
    if (index == 4 || index == 6 || index == 8 || index == 10) text.push_back('-');
    std::array<char, 4> digits{};
    (void)std::snprintf(digits.data(), digits.size(), "%02x", guid[kOrder[index]]);
    text += digits.data();
  }
  return text;
}

std::string shown_name(const std::u16string& name) {
  std::string text;
  for (const char16_t unit : name) {
    if (unit >= 0x20 && unit < 0x7f && unit != u'"' && unit != u'\\') {
      text.push_back(static_cast<char>(unit));
      continue;
    }
    std::array<char, 16> escaped{};
    (void)std::snprintf(escaped.data(), escaped.size(), "\\u{%x}", static_cast<unsigned>(unit));
    text += escaped.data();
  }
  return text;
}

bool is_name(const std::u16string& name, std::string_view text) { return utf8(name) == text; }

}  // namespace capsuled
