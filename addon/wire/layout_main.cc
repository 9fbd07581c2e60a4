// Prints src/wire/layout.gen.ts: the TypeScript side of every wire structure, enumeration and bit
// range.
//
// The output is what Prettier would make of it, so that the drift check is a plain comparison.

#include <cctype>
#include <cstdio>
#include <string>

#include "wire/catalogue.h"
#include "wire/command.h"
#include "wire/fabrics.h"
#include "wire/pdu.h"
#include "wire/registers.h"

namespace capsuled::wire {
namespace {

/// `kSglType` and `SglType` become `sglType`; `cntlid_max` becomes `cntlidMax`; a leading digit is
/// kept behind an underscore.
std::string camel_case(std::string_view name) {
  if (name.size() > 1 && name[0] == 'k' && !std::islower(static_cast<unsigned char>(name[1]))) {
    name.remove_prefix(1);
  }
  std::string result;
  bool upper = false;
  for (const char letter : name) {
    if (letter == '_') {
      upper = true;
      continue;
    }
    const auto code = static_cast<unsigned char>(letter);
    result += static_cast<char>(upper ? std::toupper(code) : code);
    upper = false;
  }
  result[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(result[0])));
  if (std::isdigit(static_cast<unsigned char>(result[0])) != 0) result.insert(0, "_");
  return result;
}

/// A TypeScript string, quoted as Prettier does: single quotes unless the text has more of those
/// than of double ones.
std::string quoted(std::string_view text) {
  const char quote = text.find('\'') == std::string_view::npos ? '\'' : '"';
  return quote + std::string(text) + quote;
}

/// What TypeScript makes of one element of a field.
struct Accessor {
  std::string type;
  std::string read;
  std::string write;
};

/// `at` is the offset as a TypeScript expression; `size` is one element's.
Accessor accessor(const FieldLayout& field, const std::string& at) {
  const std::size_t size = field.size / field.count;
  const std::string range = at + ", " + std::to_string(size);
  switch (field.kind) {
    case FieldKind::kUint:
      switch (size) {
        case 1:
          return {"number", "this.buffer.readUInt8(" + at + ")",
                  "this.buffer.writeUInt8(value, " + at + ")"};
        case 2:
          return {"number", "this.buffer.readUInt16LE(" + at + ")",
                  "this.buffer.writeUInt16LE(value, " + at + ")"};
        case 4:
          return {"number", "this.buffer.readUInt32LE(" + at + ")",
                  "this.buffer.writeUInt32LE(value, " + at + ")"};
        case 8:
          return {"bigint", "this.buffer.readBigUInt64LE(" + at + ")",
                  "this.buffer.writeBigUInt64LE(value, " + at + ")"};
        case 16:
          return {"bigint", "this.getUint128(" + at + ")", "this.setUint128(" + at + ", value)"};
        default: UNREACHABLE();
      }
    case FieldKind::kBytes:
      return {"Uint8Array", "this.getBytes(" + range + ")", "this.setBytes(" + range + ", value)"};
    case FieldKind::kAscii:
      return {"string", "this.getAscii(" + range + ")", "this.setAscii(" + range + ", value)"};
    case FieldKind::kText:
      return {"string", "this.getText(" + range + ")", "this.setText(" + range + ", value)"};
    case FieldKind::kStruct:
      return {field.element->name,
              "new " + std::string(field.element->name) + "(this.getBytes(" + range + "))",
              "this.setBytes(" + range + ", value.buffer)"};
  }
  UNREACHABLE();
}

void print_field(const FieldLayout& field) {
  const std::string name = camel_case(field.name);
  if (field.count == 1) {
    const Accessor use = accessor(field, std::to_string(field.offset));
    const bool bytes = field.kind == FieldKind::kBytes;
    std::printf("\n  get %s(): %s {\n    return %s;\n  }\n", name.c_str(),
                bytes ? "Buffer" : use.type.c_str(), use.read.c_str());
    std::printf("  set %s(value: %s) {\n    %s;\n  }\n", name.c_str(), use.type.c_str(),
                use.write.c_str());
    return;
  }
  std::string setter = camel_case("set_" + std::string(field.name));
  setter[3] = static_cast<char>(std::toupper(static_cast<unsigned char>(setter[3])));
  const std::string at = "this.elementOffset(" + std::to_string(field.offset) + ", " +
                         std::to_string(field.size / field.count) + ", " +
                         std::to_string(field.count) + ", index)";
  const Accessor use = accessor(field, "at");
  std::printf("\n  %s(index: number): %s {\n    const at = %s;\n    return %s;\n  }\n",
              name.c_str(), use.type.c_str(), at.c_str(), use.read.c_str());
  std::printf("  %s(index: number, value: %s): void {\n    const at = %s;\n    %s;\n  }\n",
              setter.c_str(), use.type.c_str(), at.c_str(), use.write.c_str());
}

void print_struct(const StructLayout& layout) {
  std::printf("\n/** %zu bytes. */\nexport class %s extends StructView {\n", layout.size,
              layout.name);
  std::printf("  static readonly size = %zu;\n  static readonly fields = {\n", layout.size);
  for (const FieldLayout& field : layout.fields) {
    std::printf("    %s: { offset: %zu, size: %zu },\n", camel_case(field.name).c_str(),
                field.offset, field.size);
  }
  std::printf(
      "  } as const;\n\n  static alloc(): %s {\n    return new %s(Buffer.alloc(%zu));\n  }\n",
      layout.name, layout.name, layout.size);
  std::printf("\n  constructor(buffer: Buffer) {\n    super(buffer, %zu);\n  }\n", layout.size);
  for (const FieldLayout& field : layout.fields) print_field(field);
  std::printf("}\n");
}

void print_enum(const NamedConstants& group) {
  std::printf("\nexport const %s = {\n", group.name);
  for (const Constant& constant : group.constants) {
    std::printf("  %s: 0x%02llx,\n", camel_case(constant.name).c_str(),
                static_cast<unsigned long long>(constant.value));
  }
  std::printf("} as const;\n");
  std::printf("export const %sName: Readonly<Record<number, string>> = {\n", group.name);
  for (const Constant& constant : group.constants) {
    std::printf("  0x%02llx: %s,\n", static_cast<unsigned long long>(constant.value),
                quoted(constant.text).c_str());
  }
  std::printf("};\n");
}

void print_bits(const NamedBits& group) {
  std::printf("\nexport const %sBits = {\n", group.name);
  for (const BitRange& range : group.ranges) {
    std::printf("  /** %s */\n  %s: { high: %u, low: %u },\n", range.text,
                camel_case(range.name).c_str(), range.high, range.low);
  }
  std::printf("} as const;\n");
}

void print_value(const char* name, unsigned long long value) {
  std::printf("export const %s = 0x%llx;\n", name, value);
}

void print_values() {
  std::printf("\n");
  print_value("digestSize", kDigestSize);
  print_value("pduFormatVersion", kPduFormatVersion);
  print_value("maxh2cdataMin", kMaxh2cdataMin);
  print_value("termReqDataMax", kTermReqDataMax);
  print_value("adminInCapsuleDataMax", kAdminInCapsuleDataMax);
  print_value("fabricsOpcode", kFabricsOpcode);
  print_value("nqnFieldSize", kNqnFieldSize);
  print_value("nqnLengthMax", kNqnLengthMax);
  print_value("cntlidDynamic", kCntlidDynamic);
  print_value("cntlidStaticAny", kCntlidStaticAny);
  print_value("nsidNone", kNsidNone);
  print_value("nsidBroadcast", kNsidBroadcast);
  print_value("nssrReset", kNssrReset);
  print_value("version13", kVersion13);
  print_value("version14", kVersion14);
  print_value("version20", kVersion20);
  print_value("version21", kVersion21);
  std::printf("export const discoveryNqn = %s;\n", quoted(kDiscoveryNqn).c_str());
}

void print_all() {
  std::printf(
      "// Generated from addon/wire by the wire_layout program. Do not edit: change the C++ "
      "tables.\n\n"
      "import { StructView } from './struct-view.js';\n");
  print_values();
  for (const NamedConstants& group : all_enums()) print_enum(group);
  for (const NamedBits& group : all_bits()) print_bits(group);
  for (const StructLayout* layout : all_structs()) print_struct(*layout);
  std::printf("\n/** Every structure by name. */\nexport const structs = {\n");
  for (const StructLayout* layout : all_structs()) std::printf("  %s,\n", layout->name);
  std::printf("} as const;\n");
}

}  // namespace
}  // namespace capsuled::wire

int main() {
  capsuled::wire::print_all();
  // A full disk or a closed pipe must not leave half a file that looks whole.
  return std::fflush(stdout) == 0 ? 0 : 1;
}
