/// Fabrics commands (NVMe Base 2.1, section 6). All have opcode 7Fh; what they are is in FCTYPE,
/// which takes the place of the NSID's first byte.
#pragma once

#include "wire/command.h"

namespace capsuled::wire {

/// Opcode of every Fabrics command.
inline constexpr std::uint8_t kFabricsOpcode = 0x7f;
/// Length of the NQN fields, terminator included; an NQN has at most 223 bytes.
inline constexpr std::size_t kNqnFieldSize = 256;
inline constexpr std::size_t kNqnLengthMax = 223;
/// CNTLID of a Connect that asks for any controller (dynamic model); fffeh is for the static model.
inline constexpr std::uint16_t kCntlidDynamic = 0xffff;
inline constexpr std::uint16_t kCntlidStaticAny = 0xfffe;
/// The well-known discovery subsystem.
inline constexpr std::string_view kDiscoveryNqn = "nqn.2014-08.org.nvmexpress.discovery";

/// Fabrics Command Type (FCTYPE).
#define WIRE_FABRICS_COMMANDS(X)                            \
  X(kPropertySet, 0x00, "Property Set")                     \
  X(kConnect, 0x01, "Connect")                              \
  X(kPropertyGet, 0x04, "Property Get")                     \
  X(kAuthenticationSend, 0x05, "Authentication Send")       \
  X(kAuthenticationReceive, 0x06, "Authentication Receive") \
  X(kDisconnect, 0x08, "Disconnect")
WIRE_ENUM(FabricsCommandType, std::uint8_t, WIRE_FABRICS_COMMANDS);

/// What all Fabrics commands have in common (6.1).
struct FabricsCommand {
  /// Opcode (OPC): 7Fh.
  std::uint8_t opcode;
  /// See CommandFlags; PSDT is reserved: an SGL is used.
  std::uint8_t flags;
  /// Command Identifier (CID).
  Le16 cid;
  /// Fabrics Command Type (FCTYPE).
  std::uint8_t fctype;
  Bytes<19> reserved5;
  /// SGL Entry 1 (SGL1).
  SglDescriptor sgl1;
  /// The command's own.
  Bytes<24> specific;
};
WIRE_STRUCT(FabricsCommand, 64, WIRE_FIELD(FabricsCommand, opcode, 0),
            WIRE_FIELD(FabricsCommand, flags, 1), WIRE_FIELD(FabricsCommand, cid, 2),
            WIRE_FIELD(FabricsCommand, fctype, 4), WIRE_FIELD(FabricsCommand, sgl1, 24),
            WIRE_FIELD(FabricsCommand, specific, 40));

/// Connect Attributes (CATTR).
#define WIRE_CONNECT_ATTRIBUTES_BITS(X)                            \
  X(PriorityClass, 1, 0, "Priority Class (PRIOCLASS)")             \
  X(DisableSqFlowControl, 2, 2, "Disable SQ Flow Control (DSQFC)") \
  X(IndividualQueueDeletion, 3, 3, "Individual I/O Queue Deletion Support (IOQDS)")
WIRE_BITS(ConnectAttributes, WIRE_CONNECT_ATTRIBUTES_BITS);

/// Connect (6.3): makes a controller (QID 0) or an I/O queue.
struct ConnectCommand {
  std::uint8_t opcode;
  std::uint8_t flags;
  Le16 cid;
  /// Fabrics Command Type (FCTYPE): 01h.
  std::uint8_t fctype;
  Bytes<19> reserved5;
  SglDescriptor sgl1;
  /// Record Format (RECFMT): 0.
  Le16 recfmt;
  /// Queue ID (QID): 0 for the admin queue.
  Le16 qid;
  /// Submission Queue Size (SQSIZE), 0's based, in entries.
  Le16 sqsize;
  /// Connect Attributes (CATTR): see ConnectAttributes.
  std::uint8_t cattr;
  std::uint8_t reserved47;
  /// Keep Alive Timeout (KATO), in milliseconds; 0 disables it. Admin queue only.
  Le32 kato;
  Bytes<12> reserved52;
};
WIRE_STRUCT(ConnectCommand, 64, WIRE_FIELD(ConnectCommand, opcode, 0),
            WIRE_FIELD(ConnectCommand, flags, 1), WIRE_FIELD(ConnectCommand, cid, 2),
            WIRE_FIELD(ConnectCommand, fctype, 4), WIRE_FIELD(ConnectCommand, sgl1, 24),
            WIRE_FIELD(ConnectCommand, recfmt, 40), WIRE_FIELD(ConnectCommand, qid, 42),
            WIRE_FIELD(ConnectCommand, sqsize, 44), WIRE_FIELD(ConnectCommand, cattr, 46),
            WIRE_FIELD(ConnectCommand, kato, 48));

/// Connect's data (6.3).
struct ConnectData {
  /// Host Identifier (HOSTID), a UUID.
  Bytes<16> hostid;
  /// Controller ID (CNTLID): ffffh on the admin queue of a dynamic controller; else the controller
  /// of the I/O queue.
  Le16 cntlid;
  Bytes<238> reserved18;
  /// NVM Subsystem NVMe Qualified Name (SUBNQN).
  Text<kNqnFieldSize> subnqn;
  /// Host NVMe Qualified Name (HOSTNQN).
  Text<kNqnFieldSize> hostnqn;
  Bytes<256> reserved768;
};
WIRE_STRUCT(ConnectData, 1024, WIRE_FIELD(ConnectData, hostid, 0),
            WIRE_FIELD(ConnectData, cntlid, 16), WIRE_FIELD(ConnectData, subnqn, 256),
            WIRE_FIELD(ConnectData, hostnqn, 512));

/// Completion dword 0 of a Connect that succeeded.
#define WIRE_CONNECT_RESULT_BITS(X)                                       \
  X(Cntlid, 15, 0, "Controller ID (CNTLID)")                              \
  X(Atr, 17, 17, "Authentication Transaction Required (ATR), in AUTHREQ") \
  X(Ascr, 18, 18, "Authentication and Secure Channel Required (ASCR), in AUTHREQ")
WIRE_BITS(ConnectResult, WIRE_CONNECT_RESULT_BITS);

/// Completion dword 0 of a Connect that failed with Connect Invalid Parameters.
#define WIRE_CONNECT_INVALID_BITS(X)                        \
  X(Ipo, 15, 0, "Invalid Parameter Offset (IPO), in bytes") \
  X(InData, 16, 16, "Invalid Attributes (IATTR): 1 if IPO is into the data, 0 if into the entry")
WIRE_BITS(ConnectInvalid, WIRE_CONNECT_INVALID_BITS);

/// Attributes (ATTRIB) of Property Get and Set.
#define WIRE_PROPERTY_ATTRIBUTES_BITS(X) X(Size, 2, 0, "Size: see PropertySize")
WIRE_BITS(PropertyAttributes, WIRE_PROPERTY_ATTRIBUTES_BITS);
#define WIRE_PROPERTY_SIZES(X) \
  X(k4Bytes, 0x0, "4 bytes")   \
  X(k8Bytes, 0x1, "8 bytes")
WIRE_ENUM(PropertySize, std::uint8_t, WIRE_PROPERTY_SIZES);

/// Property Get (6.5). The value comes back in the completion's first 8 bytes.
struct PropertyGetCommand {
  std::uint8_t opcode;
  std::uint8_t flags;
  Le16 cid;
  /// Fabrics Command Type (FCTYPE): 04h.
  std::uint8_t fctype;
  Bytes<35> reserved5;
  /// Attributes (ATTRIB).
  std::uint8_t attrib;
  Bytes<3> reserved41;
  /// Offset (OFST) of the property: see registers.h.
  Le32 ofst;
  Bytes<16> reserved48;
};
WIRE_STRUCT(PropertyGetCommand, 64, WIRE_FIELD(PropertyGetCommand, opcode, 0),
            WIRE_FIELD(PropertyGetCommand, flags, 1), WIRE_FIELD(PropertyGetCommand, cid, 2),
            WIRE_FIELD(PropertyGetCommand, fctype, 4), WIRE_FIELD(PropertyGetCommand, attrib, 40),
            WIRE_FIELD(PropertyGetCommand, ofst, 44));

/// Property Set (6.6).
struct PropertySetCommand {
  std::uint8_t opcode;
  std::uint8_t flags;
  Le16 cid;
  /// Fabrics Command Type (FCTYPE): 00h.
  std::uint8_t fctype;
  Bytes<35> reserved5;
  /// Attributes (ATTRIB).
  std::uint8_t attrib;
  Bytes<3> reserved41;
  /// Offset (OFST) of the property: see registers.h.
  Le32 ofst;
  /// Value (VALUE): the low 4 bytes if the size is 4 bytes.
  Le64 value;
  Bytes<8> reserved56;
};
WIRE_STRUCT(PropertySetCommand, 64, WIRE_FIELD(PropertySetCommand, opcode, 0),
            WIRE_FIELD(PropertySetCommand, flags, 1), WIRE_FIELD(PropertySetCommand, cid, 2),
            WIRE_FIELD(PropertySetCommand, fctype, 4), WIRE_FIELD(PropertySetCommand, attrib, 40),
            WIRE_FIELD(PropertySetCommand, ofst, 44), WIRE_FIELD(PropertySetCommand, value, 48));

/// Authentication Send and Receive (6.2): length is TL of one and AL of the other.
struct AuthenticationCommand {
  std::uint8_t opcode;
  std::uint8_t flags;
  Le16 cid;
  /// Fabrics Command Type (FCTYPE): 05h or 06h.
  std::uint8_t fctype;
  Bytes<19> reserved5;
  SglDescriptor sgl1;
  std::uint8_t reserved40;
  /// SP Specific 0 and 1 (SPSP0, SPSP1).
  std::uint8_t spsp0;
  std::uint8_t spsp1;
  /// Security Protocol (SECP): E9h.
  std::uint8_t secp;
  /// Transfer or Allocation Length (TL, AL), in bytes.
  Le32 length;
  Bytes<16> reserved48;
};
WIRE_STRUCT(AuthenticationCommand, 64, WIRE_FIELD(AuthenticationCommand, opcode, 0),
            WIRE_FIELD(AuthenticationCommand, flags, 1), WIRE_FIELD(AuthenticationCommand, cid, 2),
            WIRE_FIELD(AuthenticationCommand, fctype, 4),
            WIRE_FIELD(AuthenticationCommand, sgl1, 24),
            WIRE_FIELD(AuthenticationCommand, spsp0, 41),
            WIRE_FIELD(AuthenticationCommand, spsp1, 42),
            WIRE_FIELD(AuthenticationCommand, secp, 43),
            WIRE_FIELD(AuthenticationCommand, length, 44));

/// Disconnect (6.4): ends one I/O queue.
struct DisconnectCommand {
  std::uint8_t opcode;
  std::uint8_t flags;
  Le16 cid;
  /// Fabrics Command Type (FCTYPE): 08h.
  std::uint8_t fctype;
  Bytes<19> reserved5;
  SglDescriptor sgl1;
  /// Record Format (RECFMT): 0.
  Le16 recfmt;
  Bytes<22> reserved42;
};
WIRE_STRUCT(DisconnectCommand, 64, WIRE_FIELD(DisconnectCommand, opcode, 0),
            WIRE_FIELD(DisconnectCommand, flags, 1), WIRE_FIELD(DisconnectCommand, cid, 2),
            WIRE_FIELD(DisconnectCommand, fctype, 4), WIRE_FIELD(DisconnectCommand, sgl1, 24),
            WIRE_FIELD(DisconnectCommand, recfmt, 40));

}  // namespace capsuled::wire
