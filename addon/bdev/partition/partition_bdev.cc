#include "bdev/partition/partition_bdev.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "bdev/bdev_layer.h"
#include "bdev/partition/partition_table.h"

namespace capsuled {

namespace {

constexpr const char* kKey = "partition";
/// Of a list of partitions in a message; names of partitions are as long as whoever wrote them
/// wanted.
constexpr size_t kListBytesMax = 400;

bool is_digit(char character) { return character >= '0' && character <= '9'; }

bool is_number(const std::string& key) {
  return !key.empty() && std::ranges::all_of(key, is_digit);
}

std::string lower_case(std::string text) {
  for (char& character : text) {
    if (character >= 'A' && character <= 'F') character = static_cast<char>(character - 'A' + 'a');
  }
  return text;
}

/// In the form of guid_text(), in either case.
bool is_guid(const std::string& key) {
  const std::string form = guid_text({});
  if (key.size() != form.size()) return false;
  for (size_t index = 0; index < form.size(); ++index) {
    const char character = key[index];
    const bool is_right = form[index] == '-'
                              ? character == '-'
                              : is_digit(character) || (character >= 'a' && character <= 'f');
    if (!is_right) return false;
  }
  return true;
}

/// All digits: a number; a GUID's text: that; else a name.
std::vector<const Partition*> named(const PartitionTable& table, const std::string& key) {
  const std::string guid = lower_case(key);
  std::vector<const Partition*> found;
  for (const Partition& partition : table.partitions) {
    const bool is_it = is_number(key)  ? std::to_string(partition.number) == key
                       : is_guid(guid) ? partition.guid == guid
                                       : is_name(partition.name, key);
    if (is_it) found.push_back(&partition);
  }
  return found;
}

std::string shown(const Partition& partition) {
  const std::string word =
      partition.name.empty() ? "type " + partition.type : shown_name(partition.name);
  return std::to_string(partition.number) + " (" + word + ")";
}

/// `1 (EFI), 2 (data)`, or as much of it as can be read.
std::string listed(const std::vector<const Partition*>& partitions) {
  std::string list;
  for (size_t index = 0; index < partitions.size(); ++index) {
    if (list.size() >= kListBytesMax) {
      return list + " and " + std::to_string(partitions.size() - index) + " more";
    }
    list += (list.empty() ? "" : ", ") + shown(*partitions[index]);
  }
  return list;
}

BdevError refusal(const std::string& expected, const std::string& got) {
  return {EINVAL, kKey, "expected " + expected + " for `" + kKey + "`, got " + got};
}

BdevError none_found(const PartitionTable& table, const std::string& base, const std::string& key) {
  std::vector<const Partition*> usable;
  for (const Partition& partition : table.partitions) {
    if (partition.fault.empty()) usable.push_back(&partition);
  }
  const std::string warning = table.warning.empty() ? "" : "; " + table.warning;
  if (usable.empty()) {
    return refusal("a partition of " + base,
                   "\"" + key + "\"; its " + table.scheme + " has none that can be used" + warning);
  }
  return refusal("one of the partitions " + listed(usable) + " of " + base,
                 "\"" + key + "\"" + warning);
}

struct Found {
  const Partition* partition = nullptr;
  BdevError error;  ///< if there is none
};

Found find(const PartitionTable& table, const std::string& base, const std::string& key) {
  const auto found = named(table, key);
  if (found.empty()) return {nullptr, none_found(table, base, key)};
  if (found.size() > 1) {
    const std::string other = is_guid(lower_case(key)) ? "a number" : "a number or a UUID";
    return {nullptr, refusal(other, "\"" + key + "\", which several have: " + listed(found))};
  }
  const Partition& partition = *found.front();
  if (partition.fault.empty()) return {&partition, {}};
  return {nullptr, refusal("a partition that can be used", "\"" + key + "\": " + partition.fault)};
}

BdevResult make_partition_bdev(const BdevContext& context, BdevParameters& parameters) {
  const auto base = base_of(context, parameters);
  const std::string key = parameters.text(kKey);
  if (auto error = parameters.error()) return *std::move(error);
  if (key.empty()) return refusal("a number, a name or a UUID", "\"\"");
  ASSERT(context.reads != nullptr);
  const BdevFacts& facts = base->entry()->bdev->facts();
  const auto reading =
      read_partition_table({.block_size = facts.block_size,
                            .block_count = base->entry()->bdev->block_count(),
                            .blocks = [&](uint64_t first_block, uint64_t count_blocks) {
                              return context.reads->blocks(base, first_block, count_blocks);
                            }});
  if (!reading.error.empty()) return BdevError{EINVAL, "base", reading.error};
  if (!reading.table.has_value()) return context.reads->error();
  const PartitionTable& table = *reading.table;
  auto [partition, error] = find(table, facts.name, key);
  if (partition == nullptr) return std::move(error);
  BdevFacts own = layer_facts(facts, parameters.name(), "partition", partition->first_block,
                              partition->block_count);
  own.warning = table.warning;
  const BdevAccess access = context.claim ? BdevAccess::ExclusiveWriter : BdevAccess::None;
  return std::unique_ptr<Bdev>(std::make_unique<RangeBdev>(
      std::move(own), BdevBase{base, {access, partition->first_block, partition->end_block()}},
      RangeBdev::End::Fixed));
}

}  // namespace

const BdevKind kPartitionKind{"partition", make_partition_bdev};

}  // namespace capsuled
