// How a namespace is called, by its identifiers. The words are those of Linux's sysfs, so that a
// disk is known for the same whoever drives it.
#pragma once

#include <string>

#include "env/content.h"
#include "nvme/namespace_facts.h"

namespace capsuled {

/// It has an identifier that no other namespace has.
bool nvme_has_identifier(const nvme::NamespaceFacts& facts);
/// What it is known by, for people: "UUID 00112233-4455-6677-8899-aabbccddeeff".
std::string nvme_identity_text(const nvme::NamespaceFacts& facts);
/// `otherwise`: the wwid of one that has no identifier.
env::DeviceNames nvme_names(const nvme::NamespaceFacts& facts, const std::string& otherwise);
/// As digits, two for each byte.
std::string nvme_hex(const std::string& text);

}  // namespace capsuled
