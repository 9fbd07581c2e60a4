/// What Identify returns (NVMe Base 2.1, 5.1.13; NVM Command Set 1.1, 4.1.5).
///
/// The field's offset is its row in the table below each structure. Sizes of capabilities are in
/// the field comments; bit fields have a WIRE_BITS group named after the field.
#pragma once

#include "wire/admin_command.h"

namespace capsuled::wire {

/// Controller Multi-Path I/O and Namespace Sharing Capabilities (CMIC).
#define WIRE_CMIC_BITS(X)                                       \
  X(Mports, 0, 0, "Multiple Ports (MPORTS)")                    \
  X(Mctrs, 1, 1, "Multiple Controllers (MCTRS)")                \
  X(Ft, 2, 2, "Function Type (FT): an SR-IOV virtual function") \
  X(Anars, 3, 3, "Asymmetric Namespace Access Reporting Support (ANARS)")
WIRE_BITS(Cmic, WIRE_CMIC_BITS);

/// Controller Attributes (CTRATT).
#define WIRE_CTRATT_BITS(X)                                               \
  X(Hids, 0, 0, "Host Identifier Support (HIDS): 128 bits")               \
  X(Nopspm, 1, 1, "Non-Operational Power State Permissive Mode (NOPSPM)") \
  X(Nsets, 2, 2, "NVM Sets (NSETS)")                                      \
  X(Rrlvls, 3, 3, "Read Recovery Levels (RRLVLS)")                        \
  X(Egs, 4, 4, "Endurance Groups (EGS)")                                  \
  X(Plm, 5, 5, "Predictable Latency Mode (PLM)")                          \
  X(Tbkas, 6, 6, "Traffic Based Keep Alive Support (TBKAS)")              \
  X(Ng, 7, 7, "Namespace Granularity (NG)")                               \
  X(Sqa, 8, 8, "SQ Associations (SQA)")                                   \
  X(Ulist, 9, 9, "UUID List (ULIST)")                                     \
  X(Mds, 10, 10, "Multi-Domain Subsystem (MDS)")                          \
  X(Fcm, 11, 11, "Fixed Capacity Management (FCM)")                       \
  X(Vcm, 12, 12, "Variable Capacity Management (VCM)")                    \
  X(Deg, 13, 13, "Delete Endurance Group (DEG)")                          \
  X(Dnvms, 14, 14, "Delete NVM Set (DNVMS)")                              \
  X(Elbas, 15, 15, "Extended LBA Formats Supported (ELBAS)")              \
  X(Mem, 16, 16, "MDTS and Size Limits Exclude Metadata (MEM)")           \
  X(Fdps, 19, 19, "Flexible Data Placement Support (FDPS)")
WIRE_BITS(Ctratt, WIRE_CTRATT_BITS);

/// Controller Type (CNTRLTYPE).
#define WIRE_CONTROLLER_TYPES(X)                       \
  X(kNotReported, 0x0, "Controller type not reported") \
  X(kIo, 0x1, "I/O controller")                        \
  X(kDiscovery, 0x2, "Discovery controller")           \
  X(kAdministrative, 0x3, "Administrative controller")
WIRE_ENUM(ControllerType, std::uint8_t, WIRE_CONTROLLER_TYPES);

/// Optional Admin Command Support (OACS).
#define WIRE_OACS_BITS(X)                                   \
  X(Ssrs, 0, 0, "Security Send Receive Supported (SSRS)")   \
  X(Fnvms, 1, 1, "Format NVM Supported (FNVMS)")            \
  X(Fwds, 2, 2, "Firmware Download Supported (FWDS)")       \
  X(Nms, 3, 3, "Namespace Management Supported (NMS)")      \
  X(Dsts, 4, 4, "Device Self-test Supported (DSTS)")        \
  X(Dirs, 5, 5, "Directives Supported (DIRS)")              \
  X(Nsrs, 6, 6, "NVMe-MI Send Receive Supported (NSRS)")    \
  X(Vms, 7, 7, "Virtualization Management Supported (VMS)") \
  X(Dbcs, 8, 8, "Doorbell Buffer Config Supported (DBCS)")  \
  X(Glss, 9, 9, "Get LBA Status Supported (GLSS)")          \
  X(Cfls, 10, 10, "Command and Feature Lockdown Supported (CFLS)")
WIRE_BITS(Oacs, WIRE_OACS_BITS);

/// Firmware Updates (FRMW).
#define WIRE_FRMW_BITS(X)                                   \
  X(Ffsro, 0, 0, "First Firmware Slot Read Only (FFSRO)")   \
  X(Nofs, 3, 1, "Number Of Firmware Slots (NOFS)")          \
  X(Fawr, 4, 4, "Firmware Activation Without Reset (FAWR)") \
  X(Smud, 5, 5, "Support Multiple Update Detection (SMUD)")
WIRE_BITS(Frmw, WIRE_FRMW_BITS);

/// Log Page Attributes (LPA).
#define WIRE_LPA_BITS(X)                                                        \
  X(Smarts, 0, 0, "SMART Support (SMARTS): per namespace")                      \
  X(Cses, 1, 1, "Commands Supported and Effects Support (CSES)")                \
  X(Lpeds, 2, 2, "Log Page Extended Data Support (LPEDS): LPO and 32-bit NUMD") \
  X(Ts, 3, 3, "Telemetry Support (TS)")                                         \
  X(Pes, 4, 4, "Persistent Event Support (PES)")                                \
  X(Mlps, 5, 5, "Miscellaneous Log Page Support (MLPS): pages 00h, 12h, 13h")   \
  X(Da4s, 6, 6, "Data Area 4 Support (DA4S)")
WIRE_BITS(Lpa, WIRE_LPA_BITS);

/// Sanitize Capabilities (SANICAP).
#define WIRE_SANICAP_BITS(X)                      \
  X(Ces, 0, 0, "Crypto Erase Support (CES)")      \
  X(Bes, 1, 1, "Block Erase Support (BES)")       \
  X(Ows, 2, 2, "Overwrite Support (OWS)")         \
  X(Ndi, 29, 29, "No-Deallocate Inhibited (NDI)") \
  X(Nodmmas, 31, 30, "No-Deallocate Modifies Media After Sanitize (NODMMAS)")
WIRE_BITS(Sanicap, WIRE_SANICAP_BITS);

/// Asymmetric Namespace Access Capabilities (ANACAP).
#define WIRE_ANACAP_BITS(X)                                         \
  X(Raos, 0, 0, "Report ANA Optimized State (RAOS)")                \
  X(Ranos, 1, 1, "Report ANA Non-Optimized State (RANOS)")          \
  X(Rais, 2, 2, "Report ANA Inaccessible State (RAIS)")             \
  X(Rapls, 3, 3, "Report ANA Persistent Loss State (RAPLS)")        \
  X(Racs, 4, 4, "Report ANA Change State (RACS)")                   \
  X(Idncs, 6, 6, "ANAGRPID Does Not Change while attached (IDNCS)") \
  X(Nzis, 7, 7, "Non-Zero ANAGRPID Supported in Namespace Management (NZIS)")
WIRE_BITS(Anacap, WIRE_ANACAP_BITS);

/// Submission and Completion Queue Entry Size (SQES, CQES).
#define WIRE_QUEUE_ENTRY_SIZE_BITS(X)           \
  X(Min, 3, 0, "Minimum (required), 2^n bytes") \
  X(Max, 7, 4, "Maximum, 2^n bytes")
WIRE_BITS(QueueEntrySize, WIRE_QUEUE_ENTRY_SIZE_BITS);

/// Optional NVM Command Support (ONCS).
#define WIRE_ONCS_BITS(X)                                            \
  X(Nvmcmps, 0, 0, "Compare Support (NVMCMPS)")                      \
  X(Nvmwusv, 1, 1, "Write Uncorrectable Support (NVMWUSV)")          \
  X(Nvmdsmsv, 2, 2, "Dataset Management Support (NVMDSMSV)")         \
  X(Nvmwzsv, 3, 3, "Write Zeroes Support (NVMWZSV)")                 \
  X(Ssfs, 4, 4, "Save and Select Feature Support (SSFS)")            \
  X(Reservs, 5, 5, "Reservations Support (RESERVS)")                 \
  X(Tss, 6, 6, "Timestamp Support (TSS)")                            \
  X(Nvmvfys, 7, 7, "Verify Support (NVMVFYS)")                       \
  X(Nvmcpys, 8, 8, "Copy Support (NVMCPYS)")                         \
  X(Nvmcsa, 9, 9, "Copy Single Atomicity (NVMCSA)")                  \
  X(Nvmafc, 10, 10, "All Fast Copy (NVMAFC)")                        \
  X(Maxwzd, 11, 11, "Maximum Write Zeroes with Deallocate (MAXWZD)") \
  X(Nszs, 12, 12, "Namespace Zeroes Support (NSZS)")
WIRE_BITS(Oncs, WIRE_ONCS_BITS);

/// Fused Operation Support (FUSES).
#define WIRE_FUSES_BITS(X) X(Fcws, 0, 0, "Fused Compare and Write Supported (FCWS)")
WIRE_BITS(Fuses, WIRE_FUSES_BITS);

/// Volatile Write Cache (VWC).
#define WIRE_VWC_BITS(X)                                  \
  X(Present, 0, 0, "Volatile Write Cache Present (VWCP)") \
  X(FlushBehavior, 2, 1, "Flush Behavior (FB): 2 not, 3 supported with NSID ffffffffh")
WIRE_BITS(Vwc, WIRE_VWC_BITS);

/// Namespace Write Protection Capabilities (NWPC).
#define WIRE_NWPC_BITS(X)                                             \
  X(Nwpwpsup, 0, 0, "No Write Protect and Write Protect Support")     \
  X(Wpupcs, 1, 1, "Write Protect Until Power Cycle Support (WPUPCS)") \
  X(Pwps, 2, 2, "Permanent Write Protect Support (PWPS)")
WIRE_BITS(Nwpc, WIRE_NWPC_BITS);

/// SGL Support (SGLS).
#define WIRE_SGLS_BITS(X)                                                       \
  X(Supported, 1, 0, "SGL Supported (SGLS): 1 without, 2 with dword alignment") \
  X(Ksgl, 2, 2, "Keyed SGL Data Block descriptor")                              \
  X(Sdt, 15, 8, "SGL Descriptor Threshold (SDT)")                               \
  X(Sbbd, 16, 16, "SGL Bit Bucket descriptor")                                  \
  X(Mbcab, 17, 17, "Byte aligned contiguous metadata buffer")                   \
  X(Slmb, 18, 18, "SGL length may exceed the data")                             \
  X(Mptrsgl, 19, 19, "MPTR may hold an SGL")                                    \
  X(Offset, 20, 20, "Address field may be an offset (in-capsule data)")         \
  X(Tsdb, 21, 21, "Transport SGL Data Block descriptor")
WIRE_BITS(Sgls, WIRE_SGLS_BITS);

/// Optional Fabrics Commands Support (OFCS).
#define WIRE_OFCS_BITS(X) X(Disconnect, 0, 0, "Disconnect Support")
WIRE_BITS(Ofcs, WIRE_OFCS_BITS);

/// Fabrics Controller Attributes (FCATT).
#define WIRE_FCATT_BITS(X) X(Fcm, 0, 0, "Controller Model (FCM): 0 dynamic, 1 static")
WIRE_BITS(Fcatt, WIRE_FCATT_BITS);

/// Power State Descriptor (PSD).
struct PowerStateDescriptor {
  /// Maximum Power (MP), in 10 mW, or 0.1 mW if MXPS.
  Le16 mp;
  std::uint8_t reserved2;
  /// Bit 0 Max Power Scale (MXPS), bit 1 Non-Operational State (NOPS).
  std::uint8_t flags;
  /// Entry Latency (ENLAT), in microseconds.
  Le32 enlat;
  /// Exit Latency (EXLAT), in microseconds.
  Le32 exlat;
  /// Relative Read Throughput (RRT), 0 is best.
  std::uint8_t rrt;
  /// Relative Read Latency (RRL), 0 is best.
  std::uint8_t rrl;
  /// Relative Write Throughput (RWT), 0 is best.
  std::uint8_t rwt;
  /// Relative Write Latency (RWL), 0 is best.
  std::uint8_t rwl;
  /// Idle Power (IDLP), in units of IPS.
  Le16 idlp;
  /// Bits 7:6: Idle Power Scale (IPS).
  std::uint8_t ips;
  std::uint8_t reserved19;
  /// Active Power (ACTP), in units of APS.
  Le16 actp;
  /// Bits 2:0 Active Power Workload (APW), bits 7:6 Active Power Scale (APS).
  std::uint8_t aps;
  Bytes<9> reserved23;
};
WIRE_STRUCT(PowerStateDescriptor, 32, WIRE_FIELD(PowerStateDescriptor, mp, 0),
            WIRE_FIELD(PowerStateDescriptor, flags, 3), WIRE_FIELD(PowerStateDescriptor, enlat, 4),
            WIRE_FIELD(PowerStateDescriptor, exlat, 8), WIRE_FIELD(PowerStateDescriptor, rrt, 12),
            WIRE_FIELD(PowerStateDescriptor, rrl, 13), WIRE_FIELD(PowerStateDescriptor, rwt, 14),
            WIRE_FIELD(PowerStateDescriptor, rwl, 15), WIRE_FIELD(PowerStateDescriptor, idlp, 16),
            WIRE_FIELD(PowerStateDescriptor, ips, 18), WIRE_FIELD(PowerStateDescriptor, actp, 20),
            WIRE_FIELD(PowerStateDescriptor, aps, 22));

/// Identify Controller data structure, CNS 01h (5.1.13.2.1).
struct IdentifyController {
  /// PCI Vendor ID (VID).
  Le16 vid;
  /// PCI Subsystem Vendor ID (SSVID).
  Le16 ssvid;
  /// Serial Number (SN), of the subsystem.
  Ascii<20> sn;
  /// Model Number (MN), of the subsystem.
  Ascii<40> mn;
  /// Firmware Revision (FR).
  Ascii<8> fr;
  /// Recommended Arbitration Burst (RAB): 2^n commands.
  std::uint8_t rab;
  /// IEEE OUI Identifier (IEEE), least significant byte first.
  Bytes<3> ieee;
  /// Controller Multi-Path I/O and Namespace Sharing Capabilities (CMIC): see Cmic.
  std::uint8_t cmic;
  /// Maximum Data Transfer Size (MDTS): 2^n minimum memory pages; 0 is no limit.
  std::uint8_t mdts;
  /// Controller ID (CNTLID).
  Le16 cntlid;
  /// Version (VER), as in VS.
  Le32 ver;
  /// RTD3 Resume Latency (RTD3R), in microseconds.
  Le32 rtd3r;
  /// RTD3 Entry Latency (RTD3E), in microseconds.
  Le32 rtd3e;
  /// Optional Asynchronous Events Supported (OAES): see AsyncEventConfiguration.
  Le32 oaes;
  /// Controller Attributes (CTRATT): see Ctratt.
  Le32 ctratt;
  /// Read Recovery Levels Supported (RRLS).
  Le16 rrls;
  /// Boot Partition Capabilities (BPCAP).
  std::uint8_t bpcap;
  std::uint8_t reserved103;
  /// NVM Subsystem Shutdown Latency (NSSL), in microseconds.
  Le32 nssl;
  Bytes<2> reserved108;
  /// Power Loss Signaling Information (PLSI).
  std::uint8_t plsi;
  /// Controller Type (CNTRLTYPE): see ControllerType.
  std::uint8_t cntrltype;
  /// FRU Globally Unique Identifier (FGUID).
  Bytes<16> fguid;
  /// Command Retry Delay Time 1 (CRDT1), in 100 ms.
  Le16 crdt1;
  /// Command Retry Delay Time 2 (CRDT2), in 100 ms.
  Le16 crdt2;
  /// Command Retry Delay Time 3 (CRDT3), in 100 ms.
  Le16 crdt3;
  /// Controller Reachability Capabilities (CRCAP).
  std::uint8_t crcap;
  Bytes<118> reserved135;
  /// NVM Subsystem Report (NVMSR).
  std::uint8_t nvmsr;
  /// VPD Write Cycle Information (VWCI).
  std::uint8_t vwci;
  /// Management Endpoint Capabilities (MEC).
  std::uint8_t mec;
  /// Optional Admin Command Support (OACS): see Oacs.
  Le16 oacs;
  /// Abort Command Limit (ACL), 0's based.
  std::uint8_t acl;
  /// Asynchronous Event Request Limit (AERL), 0's based.
  std::uint8_t aerl;
  /// Firmware Updates (FRMW): see Frmw.
  std::uint8_t frmw;
  /// Log Page Attributes (LPA): see Lpa.
  std::uint8_t lpa;
  /// Error Log Page Entries (ELPE), 0's based.
  std::uint8_t elpe;
  /// Number of Power States Support (NPSS), 0's based.
  std::uint8_t npss;
  /// Admin Vendor Specific Command Configuration (AVSCC).
  std::uint8_t avscc;
  /// Autonomous Power State Transition Attributes (APSTA).
  std::uint8_t apsta;
  /// Warning Composite Temperature Threshold (WCTEMP), in kelvins.
  Le16 wctemp;
  /// Critical Composite Temperature Threshold (CCTEMP), in kelvins.
  Le16 cctemp;
  /// Maximum Time for Firmware Activation (MTFA), in 100 ms.
  Le16 mtfa;
  /// Host Memory Buffer Preferred Size (HMPRE), in 4 KiB.
  Le32 hmpre;
  /// Host Memory Buffer Minimum Size (HMMIN), in 4 KiB.
  Le32 hmmin;
  /// Total NVM Capacity (TNVMCAP), in bytes.
  Le128 tnvmcap;
  /// Unallocated NVM Capacity (UNVMCAP), in bytes.
  Le128 unvmcap;
  /// Replay Protected Memory Block Support (RPMBS).
  Le32 rpmbs;
  /// Extended Device Self-test Time (EDSTT), in minutes.
  Le16 edstt;
  /// Device Self-test Options (DSTO).
  std::uint8_t dsto;
  /// Firmware Update Granularity (FWUG), in 4 KiB; ffh is no limit.
  std::uint8_t fwug;
  /// Keep Alive Support (KAS): granularity of KATO, in 100 ms; 0 is none.
  Le16 kas;
  /// Host Controlled Thermal Management Attributes (HCTMA).
  Le16 hctma;
  /// Minimum Thermal Management Temperature (MNTMT), in kelvins.
  Le16 mntmt;
  /// Maximum Thermal Management Temperature (MXTMT), in kelvins.
  Le16 mxtmt;
  /// Sanitize Capabilities (SANICAP): see Sanicap.
  Le32 sanicap;
  /// Host Memory Buffer Minimum Descriptor Entry Size (HMMINDS), in 4 KiB.
  Le32 hmminds;
  /// Host Memory Maximum Descriptors Entries (HMMAXD).
  Le16 hmmaxd;
  /// NVM Set Identifier Maximum (NSETIDMAX).
  Le16 nsetidmax;
  /// Endurance Group Identifier Maximum (ENDGIDMAX).
  Le16 endgidmax;
  /// ANA Transition Time (ANATT), in seconds.
  std::uint8_t anatt;
  /// Asymmetric Namespace Access Capabilities (ANACAP): see Anacap.
  std::uint8_t anacap;
  /// ANA Group Identifier Maximum (ANAGRPMAX).
  Le32 anagrpmax;
  /// Number of ANA Group Identifiers (NANAGRPID).
  Le32 nanagrpid;
  /// Persistent Event Log Size (PELS), in 64 KiB.
  Le32 pels;
  /// Domain Identifier (DID).
  Le16 domainid;
  /// Key Per I/O Capabilities (KPIOC).
  std::uint8_t kpioc;
  std::uint8_t reserved359;
  /// Maximum Processing Time for Firmware Activation Without Reset (MPTFAWR), in 100 ms.
  Le16 mptfawr;
  Bytes<6> reserved362;
  /// Max Endurance Group Capacity (MEGCAP), in bytes.
  Le128 megcap;
  /// Temperature Threshold Hysteresis Attributes (TMPTHHA).
  std::uint8_t tmpthha;
  std::uint8_t reserved385;
  /// Command Quiesce Time (CQT), in milliseconds.
  Le16 cqt;
  Bytes<124> reserved388;
  /// Submission Queue Entry Size (SQES): see QueueEntrySize.
  std::uint8_t sqes;
  /// Completion Queue Entry Size (CQES): see QueueEntrySize.
  std::uint8_t cqes;
  /// Maximum Outstanding Commands (MAXCMD) per queue; mandatory over fabrics.
  Le16 maxcmd;
  /// Number of Namespaces (NN): the largest NSID.
  Le32 nn;
  /// Optional NVM Command Support (ONCS): see Oncs.
  Le16 oncs;
  /// Fused Operation Support (FUSES): see Fuses.
  Le16 fuses;
  /// Format NVM Attributes (FNA).
  std::uint8_t fna;
  /// Volatile Write Cache (VWC): see Vwc.
  std::uint8_t vwc;
  /// Atomic Write Unit Normal (AWUN), 0's based, in logical blocks.
  Le16 awun;
  /// Atomic Write Unit Power Fail (AWUPF), 0's based, in logical blocks.
  Le16 awupf;
  /// I/O Command Set Vendor Specific Command Configuration (ICSVSCC).
  std::uint8_t icsvscc;
  /// Namespace Write Protection Capabilities (NWPC): see Nwpc.
  std::uint8_t nwpc;
  /// Atomic Compare & Write Unit (ACWU), 0's based, in logical blocks.
  Le16 acwu;
  /// Copy Descriptor Formats Supported (CDFS), one bit per format.
  Le16 cdfs;
  /// SGL Support (SGLS): see Sgls.
  Le32 sgls;
  /// Maximum Number of Allowed Namespaces (MNAN); 0 means NN.
  Le32 mnan;
  /// Maximum Domain Namespace Attachments (MAXDNA).
  Le128 maxdna;
  /// Maximum I/O Controller Namespace Attachments (MAXCNA).
  Le32 maxcna;
  Bytes<204> reserved564;
  /// NVM Subsystem NVMe Qualified Name (SUBNQN).
  Text<256> subnqn;
  Bytes<768> reserved1024;
  /// I/O Queue Command Capsule Supported Size (IOCCSZ), in 16 bytes, at least 4.
  Le32 ioccsz;
  /// I/O Queue Response Capsule Supported Size (IORCSZ), in 16 bytes.
  Le32 iorcsz;
  /// In Capsule Data Offset (ICDOFF), in 16 bytes; hosts insist on 0.
  Le16 icdoff;
  /// Fabrics Controller Attributes (FCATT): see Fcatt.
  std::uint8_t fcatt;
  /// Maximum SGL Data Block Descriptors (MSDBD); 0 is no limit.
  std::uint8_t msdbd;
  /// Optional Fabrics Commands Support (OFCS): see Ofcs.
  Le16 ofcs;
  /// Discovery Controller Type (DCTYPE): 0 not reported, 1 DDC, 2 CDC.
  std::uint8_t dctype;
  Bytes<241> reserved1807;
  /// Power State Descriptors (PSD0 to PSD31).
  std::array<PowerStateDescriptor, 32> psd;
  /// Vendor Specific (VS).
  Bytes<1024> vs;
};
WIRE_STRUCT(
    IdentifyController, 4096, WIRE_FIELD(IdentifyController, vid, 0),
    WIRE_FIELD(IdentifyController, ssvid, 2), WIRE_FIELD(IdentifyController, sn, 4),
    WIRE_FIELD(IdentifyController, mn, 24), WIRE_FIELD(IdentifyController, fr, 64),
    WIRE_FIELD(IdentifyController, rab, 72), WIRE_FIELD(IdentifyController, ieee, 73),
    WIRE_FIELD(IdentifyController, cmic, 76), WIRE_FIELD(IdentifyController, mdts, 77),
    WIRE_FIELD(IdentifyController, cntlid, 78), WIRE_FIELD(IdentifyController, ver, 80),
    WIRE_FIELD(IdentifyController, rtd3r, 84), WIRE_FIELD(IdentifyController, rtd3e, 88),
    WIRE_FIELD(IdentifyController, oaes, 92), WIRE_FIELD(IdentifyController, ctratt, 96),
    WIRE_FIELD(IdentifyController, rrls, 100), WIRE_FIELD(IdentifyController, bpcap, 102),
    WIRE_FIELD(IdentifyController, nssl, 104), WIRE_FIELD(IdentifyController, plsi, 110),
    WIRE_FIELD(IdentifyController, cntrltype, 111), WIRE_FIELD(IdentifyController, fguid, 112),
    WIRE_FIELD(IdentifyController, crdt1, 128), WIRE_FIELD(IdentifyController, crdt2, 130),
    WIRE_FIELD(IdentifyController, crdt3, 132), WIRE_FIELD(IdentifyController, crcap, 134),
    WIRE_FIELD(IdentifyController, nvmsr, 253), WIRE_FIELD(IdentifyController, vwci, 254),
    WIRE_FIELD(IdentifyController, mec, 255), WIRE_FIELD(IdentifyController, oacs, 256),
    WIRE_FIELD(IdentifyController, acl, 258), WIRE_FIELD(IdentifyController, aerl, 259),
    WIRE_FIELD(IdentifyController, frmw, 260), WIRE_FIELD(IdentifyController, lpa, 261),
    WIRE_FIELD(IdentifyController, elpe, 262), WIRE_FIELD(IdentifyController, npss, 263),
    WIRE_FIELD(IdentifyController, avscc, 264), WIRE_FIELD(IdentifyController, apsta, 265),
    WIRE_FIELD(IdentifyController, wctemp, 266), WIRE_FIELD(IdentifyController, cctemp, 268),
    WIRE_FIELD(IdentifyController, mtfa, 270), WIRE_FIELD(IdentifyController, hmpre, 272),
    WIRE_FIELD(IdentifyController, hmmin, 276), WIRE_FIELD(IdentifyController, tnvmcap, 280),
    WIRE_FIELD(IdentifyController, unvmcap, 296), WIRE_FIELD(IdentifyController, rpmbs, 312),
    WIRE_FIELD(IdentifyController, edstt, 316), WIRE_FIELD(IdentifyController, dsto, 318),
    WIRE_FIELD(IdentifyController, fwug, 319), WIRE_FIELD(IdentifyController, kas, 320),
    WIRE_FIELD(IdentifyController, hctma, 322), WIRE_FIELD(IdentifyController, mntmt, 324),
    WIRE_FIELD(IdentifyController, mxtmt, 326), WIRE_FIELD(IdentifyController, sanicap, 328),
    WIRE_FIELD(IdentifyController, hmminds, 332), WIRE_FIELD(IdentifyController, hmmaxd, 336),
    WIRE_FIELD(IdentifyController, nsetidmax, 338), WIRE_FIELD(IdentifyController, endgidmax, 340),
    WIRE_FIELD(IdentifyController, anatt, 342), WIRE_FIELD(IdentifyController, anacap, 343),
    WIRE_FIELD(IdentifyController, anagrpmax, 344), WIRE_FIELD(IdentifyController, nanagrpid, 348),
    WIRE_FIELD(IdentifyController, pels, 352), WIRE_FIELD(IdentifyController, domainid, 356),
    WIRE_FIELD(IdentifyController, kpioc, 358), WIRE_FIELD(IdentifyController, mptfawr, 360),
    WIRE_FIELD(IdentifyController, megcap, 368), WIRE_FIELD(IdentifyController, tmpthha, 384),
    WIRE_FIELD(IdentifyController, cqt, 386), WIRE_FIELD(IdentifyController, sqes, 512),
    WIRE_FIELD(IdentifyController, cqes, 513), WIRE_FIELD(IdentifyController, maxcmd, 514),
    WIRE_FIELD(IdentifyController, nn, 516), WIRE_FIELD(IdentifyController, oncs, 520),
    WIRE_FIELD(IdentifyController, fuses, 522), WIRE_FIELD(IdentifyController, fna, 524),
    WIRE_FIELD(IdentifyController, vwc, 525), WIRE_FIELD(IdentifyController, awun, 526),
    WIRE_FIELD(IdentifyController, awupf, 528), WIRE_FIELD(IdentifyController, icsvscc, 530),
    WIRE_FIELD(IdentifyController, nwpc, 531), WIRE_FIELD(IdentifyController, acwu, 532),
    WIRE_FIELD(IdentifyController, cdfs, 534), WIRE_FIELD(IdentifyController, sgls, 536),
    WIRE_FIELD(IdentifyController, mnan, 540), WIRE_FIELD(IdentifyController, maxdna, 544),
    WIRE_FIELD(IdentifyController, maxcna, 560), WIRE_FIELD(IdentifyController, subnqn, 768),
    WIRE_FIELD(IdentifyController, ioccsz, 1792), WIRE_FIELD(IdentifyController, iorcsz, 1796),
    WIRE_FIELD(IdentifyController, icdoff, 1800), WIRE_FIELD(IdentifyController, fcatt, 1802),
    WIRE_FIELD(IdentifyController, msdbd, 1803), WIRE_FIELD(IdentifyController, ofcs, 1804),
    WIRE_FIELD(IdentifyController, dctype, 1806), WIRE_FIELD(IdentifyController, psd, 2048),
    WIRE_FIELD(IdentifyController, vs, 3072));

/// Namespace Features (NSFEAT) of Identify Namespace.
#define WIRE_NSFEAT_BITS(X)                                                   \
  X(Thinp, 0, 0, "Thin Provisioning (THINP)")                                 \
  X(Nsabp, 1, 1, "Namespace Atomic fields valid (NSABP)")                     \
  X(Dae, 2, 2, "Deallocated or unwritten block Error supported (DAE)")        \
  X(Uidreuse, 3, 3, "UID Reuse (UIDREUSE): NGUID and EUI64 are never reused") \
  X(Optperf, 5, 4, "Optimal Performance fields valid (OPTPERF)")              \
  X(Mam, 6, 6, "Multiple Atomicity Mode (MAM)")                               \
  X(Optrperf, 7, 7, "Optional Read Performance (OPTRPERF)")
WIRE_BITS(Nsfeat, WIRE_NSFEAT_BITS);

/// Formatted LBA Size (FLBAS).
#define WIRE_FLBAS_BITS(X)                                      \
  X(Fidxl, 3, 0, "Format Index Lower (FIDXL)")                  \
  X(Mtelba, 4, 4, "Metadata at the end of each block (MTELBA)") \
  X(Fidxu, 6, 5, "Format Index Upper (FIDXU)")
WIRE_BITS(Flbas, WIRE_FLBAS_BITS);

/// Namespace Multi-path I/O and Namespace Sharing Capabilities (NMIC).
#define WIRE_NMIC_BITS(X)                    \
  X(Shrns, 0, 0, "Shared Namespace (SHRNS)") \
  X(Disns, 1, 1, "Dispersed Namespace (DISNS)")
WIRE_BITS(Nmic, WIRE_NMIC_BITS);

/// Reservation Capabilities (RESCAP).
#define WIRE_RESCAP_BITS(X)                                             \
  X(Ptpls, 0, 0, "Persist Through Power Loss Support (PTPLS)")          \
  X(Wes, 1, 1, "Write Exclusive Support (WES)")                         \
  X(Eas, 2, 2, "Exclusive Access Support (EAS)")                        \
  X(Weros, 3, 3, "Write Exclusive - Registrants Only Support (WEROS)")  \
  X(Earos, 4, 4, "Exclusive Access - Registrants Only Support (EAROS)") \
  X(Wears, 5, 5, "Write Exclusive - All Registrants Support (WEARS)")   \
  X(Eaars, 6, 6, "Exclusive Access - All Registrants Support (EAARS)")  \
  X(Iekdo, 7, 7, "Ignore Existing Key Defined (IEKDO): as in revision 1.3 and later")
WIRE_BITS(Rescap, WIRE_RESCAP_BITS);

/// Deallocate Logical Block Features (DLFEAT).
#define WIRE_DLFEAT_BITS(X)                                                     \
  X(Drb, 2, 0, "Deallocation Read Behavior (DRB): 1 reads zeroes, 2 reads ffh") \
  X(Wzds, 3, 3, "Write Zeroes Deallocation Support (WZDS)")                     \
  X(Gds, 4, 4, "Guard Deallocation Status (GDS)")
WIRE_BITS(Dlfeat, WIRE_DLFEAT_BITS);

/// Namespace Attributes (NSATTR).
#define WIRE_NSATTR_BITS(X) X(Cwp, 0, 0, "Currently Write Protected (CWP)")
WIRE_BITS(Nsattr, WIRE_NSATTR_BITS);

/// Relative Performance (RP) byte of an LBA format.
#define WIRE_LBA_FORMAT_RP_BITS(X) X(Rp, 1, 0, "Relative Performance (RP): 0 best, 3 degraded")
WIRE_BITS(LbaFormatRp, WIRE_LBA_FORMAT_RP_BITS);

/// LBA Format (LBAF; NVM Command Set 1.1, 4.1.5.1).
struct LbaFormat {
  /// Metadata Size (MS) per logical block, in bytes.
  Le16 ms;
  /// LBA Data Size (LBADS): 2^n bytes, at least 9.
  std::uint8_t lbads;
  /// Relative Performance (RP): see LbaFormatRp.
  std::uint8_t rp;
};
WIRE_STRUCT(LbaFormat, 4, WIRE_FIELD(LbaFormat, ms, 0), WIRE_FIELD(LbaFormat, lbads, 2),
            WIRE_FIELD(LbaFormat, rp, 3));

/// Identify Namespace data structure of the NVM Command Set, CNS 00h (NVM Command
/// Set 1.1, 4.1.5.1).
struct IdentifyNamespace {
  /// Namespace Size (NSZE), in logical blocks.
  Le64 nsze;
  /// Namespace Capacity (NCAP), in logical blocks.
  Le64 ncap;
  /// Namespace Utilization (NUSE), in logical blocks.
  Le64 nuse;
  /// Namespace Features (NSFEAT): see Nsfeat.
  std::uint8_t nsfeat;
  /// Number of LBA Formats (NLBAF), 0's based.
  std::uint8_t nlbaf;
  /// Formatted LBA Size (FLBAS): see Flbas.
  std::uint8_t flbas;
  /// Metadata Capabilities (MC).
  std::uint8_t mc;
  /// End-to-end Data Protection Capabilities (DPC).
  std::uint8_t dpc;
  /// End-to-end Data Protection Type Settings (DPS).
  std::uint8_t dps;
  /// Namespace Multi-path I/O and Namespace Sharing Capabilities (NMIC): see Nmic.
  std::uint8_t nmic;
  /// Reservation Capabilities (RESCAP): see Rescap.
  std::uint8_t rescap;
  /// Format Progress Indicator (FPI).
  std::uint8_t fpi;
  /// Deallocate Logical Block Features (DLFEAT): see Dlfeat.
  std::uint8_t dlfeat;
  /// Namespace Atomic Write Unit Normal (NAWUN), 0's based, in logical blocks.
  Le16 nawun;
  /// Namespace Atomic Write Unit Power Fail (NAWUPF), 0's based, in logical blocks.
  Le16 nawupf;
  /// Namespace Atomic Compare & Write Unit (NACWU), 0's based, in logical blocks.
  Le16 nacwu;
  /// Namespace Atomic Boundary Size Normal (NABSN), 0's based, in logical blocks.
  Le16 nabsn;
  /// Namespace Atomic Boundary Offset (NABO), in logical blocks.
  Le16 nabo;
  /// Namespace Atomic Boundary Size Power Fail (NABSPF), 0's based, in logical blocks.
  Le16 nabspf;
  /// Namespace Optimal I/O Boundary (NOIOB), in logical blocks; 0 is none.
  Le16 noiob;
  /// NVM Capacity (NVMCAP), in bytes.
  Le128 nvmcap;
  /// Namespace Preferred Write Granularity (NPWG), 0's based, in logical blocks.
  Le16 npwg;
  /// Namespace Preferred Write Alignment (NPWA), 0's based, in logical blocks.
  Le16 npwa;
  /// Namespace Preferred Deallocate Granularity (NPDG), 0's based, in logical blocks.
  Le16 npdg;
  /// Namespace Preferred Deallocate Alignment (NPDA), 0's based, in logical blocks.
  Le16 npda;
  /// Namespace Optimal Write Size (NOWS), 0's based, in logical blocks.
  Le16 nows;
  /// Maximum Single Source Range Length (MSSRL) of Copy, in logical blocks.
  Le16 mssrl;
  /// Maximum Copy Length (MCL), in logical blocks.
  Le32 mcl;
  /// Maximum Source Range Count (MSRC) of Copy, 0's based.
  std::uint8_t msrc;
  /// Key Per I/O Status (KPIOS).
  std::uint8_t kpios;
  /// Number of Unique Attribute LBA Formats (NULBAF).
  std::uint8_t nulbaf;
  std::uint8_t reserved83;
  /// Key Per I/O Data Access Alignment and Granularity (KPIODAAG), 0's based.
  Le32 kpiodaag;
  Bytes<4> reserved88;
  /// ANA Group Identifier (ANAGRPID); 0 is none.
  Le32 anagrpid;
  Bytes<3> reserved96;
  /// Namespace Attributes (NSATTR): see Nsattr.
  std::uint8_t nsattr;
  /// NVM Set Identifier (NVMSETID).
  Le16 nvmsetid;
  /// Endurance Group Identifier (ENDGID).
  Le16 endgid;
  /// Namespace Globally Unique Identifier (NGUID), big-endian.
  Bytes<16> nguid;
  /// IEEE Extended Unique Identifier (EUI64), big-endian.
  Bytes<8> eui64;
  /// LBA Formats (LBAF0 to LBAF63).
  std::array<LbaFormat, 64> lbaf;
  /// Vendor Specific (VS).
  Bytes<3712> vs;
};
WIRE_STRUCT(IdentifyNamespace, 4096, WIRE_FIELD(IdentifyNamespace, nsze, 0),
            WIRE_FIELD(IdentifyNamespace, ncap, 8), WIRE_FIELD(IdentifyNamespace, nuse, 16),
            WIRE_FIELD(IdentifyNamespace, nsfeat, 24), WIRE_FIELD(IdentifyNamespace, nlbaf, 25),
            WIRE_FIELD(IdentifyNamespace, flbas, 26), WIRE_FIELD(IdentifyNamespace, mc, 27),
            WIRE_FIELD(IdentifyNamespace, dpc, 28), WIRE_FIELD(IdentifyNamespace, dps, 29),
            WIRE_FIELD(IdentifyNamespace, nmic, 30), WIRE_FIELD(IdentifyNamespace, rescap, 31),
            WIRE_FIELD(IdentifyNamespace, fpi, 32), WIRE_FIELD(IdentifyNamespace, dlfeat, 33),
            WIRE_FIELD(IdentifyNamespace, nawun, 34), WIRE_FIELD(IdentifyNamespace, nawupf, 36),
            WIRE_FIELD(IdentifyNamespace, nacwu, 38), WIRE_FIELD(IdentifyNamespace, nabsn, 40),
            WIRE_FIELD(IdentifyNamespace, nabo, 42), WIRE_FIELD(IdentifyNamespace, nabspf, 44),
            WIRE_FIELD(IdentifyNamespace, noiob, 46), WIRE_FIELD(IdentifyNamespace, nvmcap, 48),
            WIRE_FIELD(IdentifyNamespace, npwg, 64), WIRE_FIELD(IdentifyNamespace, npwa, 66),
            WIRE_FIELD(IdentifyNamespace, npdg, 68), WIRE_FIELD(IdentifyNamespace, npda, 70),
            WIRE_FIELD(IdentifyNamespace, nows, 72), WIRE_FIELD(IdentifyNamespace, mssrl, 74),
            WIRE_FIELD(IdentifyNamespace, mcl, 76), WIRE_FIELD(IdentifyNamespace, msrc, 80),
            WIRE_FIELD(IdentifyNamespace, kpios, 81), WIRE_FIELD(IdentifyNamespace, nulbaf, 82),
            WIRE_FIELD(IdentifyNamespace, kpiodaag, 84),
            WIRE_FIELD(IdentifyNamespace, anagrpid, 92), WIRE_FIELD(IdentifyNamespace, nsattr, 99),
            WIRE_FIELD(IdentifyNamespace, nvmsetid, 100),
            WIRE_FIELD(IdentifyNamespace, endgid, 102), WIRE_FIELD(IdentifyNamespace, nguid, 104),
            WIRE_FIELD(IdentifyNamespace, eui64, 120), WIRE_FIELD(IdentifyNamespace, lbaf, 128),
            WIRE_FIELD(IdentifyNamespace, vs, 384));

/// Namespace Features (NSFEAT) of the independent structure.
#define WIRE_INDEPENDENT_NSFEAT_BITS(X)        \
  X(Uidreuse, 3, 3, "UID Reuse (UIDREUSE)")    \
  X(Rmedia, 4, 4, "Rotational Media (RMEDIA)") \
  X(Vwcnp, 5, 5, "Volatile Write Cache Not Present (VWCNP)")
WIRE_BITS(IndependentNsfeat, WIRE_INDEPENDENT_NSFEAT_BITS);

/// Namespace Status (NSTAT).
#define WIRE_NSTAT_BITS(X)                \
  X(Nrdy, 0, 0, "Namespace Ready (NRDY)") \
  X(Ioi, 2, 1, "I/O Impacted (IOI)")
WIRE_BITS(Nstat, WIRE_NSTAT_BITS);

/// I/O Command Set Independent Identify Namespace data structure, CNS 08h (5.1.13.2.8).
struct IdentifyIndependentNamespace {
  /// Common Namespace Features (NSFEAT): see IndependentNsfeat.
  std::uint8_t nsfeat;
  /// Namespace Multi-path I/O and Namespace Sharing Capabilities (NMIC): see Nmic.
  std::uint8_t nmic;
  /// Reservation Capabilities (RESCAP): see Rescap.
  std::uint8_t rescap;
  /// Format Progress Indicator (FPI).
  std::uint8_t fpi;
  /// ANA Group Identifier (ANAGRPID).
  Le32 anagrpid;
  /// Namespace Attributes (NSATTR): see Nsattr.
  std::uint8_t nsattr;
  std::uint8_t reserved9;
  /// NVM Set Identifier (NVMSETID).
  Le16 nvmsetid;
  /// Endurance Group Identifier (ENDGID).
  Le16 endgid;
  /// Namespace Status (NSTAT): see Nstat. A host waits for NRDY.
  std::uint8_t nstat;
  /// Key Per I/O Status (KPIOS).
  std::uint8_t kpios;
  /// Maximum Key Tag (MAXKT).
  Le16 maxkt;
  Bytes<2> reserved18;
  /// Reachability Group Identifier (RGRPID).
  Le32 rgrpid;
  Bytes<4072> reserved24;
};
WIRE_STRUCT(IdentifyIndependentNamespace, 4096, WIRE_FIELD(IdentifyIndependentNamespace, nsfeat, 0),
            WIRE_FIELD(IdentifyIndependentNamespace, nmic, 1),
            WIRE_FIELD(IdentifyIndependentNamespace, rescap, 2),
            WIRE_FIELD(IdentifyIndependentNamespace, fpi, 3),
            WIRE_FIELD(IdentifyIndependentNamespace, anagrpid, 4),
            WIRE_FIELD(IdentifyIndependentNamespace, nsattr, 8),
            WIRE_FIELD(IdentifyIndependentNamespace, nvmsetid, 10),
            WIRE_FIELD(IdentifyIndependentNamespace, endgid, 12),
            WIRE_FIELD(IdentifyIndependentNamespace, nstat, 14),
            WIRE_FIELD(IdentifyIndependentNamespace, kpios, 15),
            WIRE_FIELD(IdentifyIndependentNamespace, maxkt, 16),
            WIRE_FIELD(IdentifyIndependentNamespace, rgrpid, 20));

/// Extended LBA Format (ELBAF).
#define WIRE_EXTENDED_LBA_FORMAT_BITS(X)              \
  X(Sts, 6, 0, "Storage Tag Size (STS), in bits")     \
  X(Pif, 8, 7, "Protection Information Format (PIF)") \
  X(Qpif, 12, 9, "Qualified Protection Information Format (QPIF)")
WIRE_BITS(ExtendedLbaFormat, WIRE_EXTENDED_LBA_FORMAT_BITS);

/// NVM Command Set specific Identify Namespace data structure, CNS 05h, CSI 00h (NVM Command
/// Set 1.1, 4.1.5.3).
struct IdentifyNvmNamespace {
  /// Logical Block Storage Tag Mask (LBSTM).
  Le64 lbstm;
  /// Protection Information Capabilities (PIC).
  std::uint8_t pic;
  /// Protection Information Format Attribute (PIFA).
  std::uint8_t pifa;
  Bytes<2> reserved10;
  /// Extended LBA Formats (ELBAF0 to ELBAF63): see ExtendedLbaFormat.
  std::array<Le32, 64> elbaf;
  /// Namespace Preferred Deallocate Granularity Large (NPDGL), in logical blocks.
  Le32 npdgl;
  Bytes<3824> reserved272;
};
WIRE_STRUCT(IdentifyNvmNamespace, 4096, WIRE_FIELD(IdentifyNvmNamespace, lbstm, 0),
            WIRE_FIELD(IdentifyNvmNamespace, pic, 8), WIRE_FIELD(IdentifyNvmNamespace, pifa, 9),
            WIRE_FIELD(IdentifyNvmNamespace, elbaf, 12),
            WIRE_FIELD(IdentifyNvmNamespace, npdgl, 268));

/// NVM Command Set specific Identify Controller data structure, CNS 06h, CSI 00h (NVM Command
/// Set 1.1, 4.1.5.4). Zeros report no limits.
struct IdentifyNvmController {
  /// Verify Size Limit (VSL): 2^n minimum memory pages.
  std::uint8_t vsl;
  /// Write Zeroes Size Limit (WZSL): 2^n minimum memory pages.
  std::uint8_t wzsl;
  /// Write Uncorrectable Size Limit (WUSL): 2^n minimum memory pages.
  std::uint8_t wusl;
  /// Dataset Management Ranges Limit (DMRL).
  std::uint8_t dmrl;
  /// Dataset Management Range Size Limit (DMRSL), in logical blocks.
  Le32 dmrsl;
  /// Dataset Management Size Limit (DMSL), in logical blocks.
  Le64 dmsl;
  Bytes<4080> reserved16;
};
WIRE_STRUCT(IdentifyNvmController, 4096, WIRE_FIELD(IdentifyNvmController, vsl, 0),
            WIRE_FIELD(IdentifyNvmController, wzsl, 1), WIRE_FIELD(IdentifyNvmController, wusl, 2),
            WIRE_FIELD(IdentifyNvmController, dmrl, 3), WIRE_FIELD(IdentifyNvmController, dmrsl, 4),
            WIRE_FIELD(IdentifyNvmController, dmsl, 8));

/// Namespace Identifier Type (NIDT).
#define WIRE_NAMESPACE_ID_TYPES(X)                                 \
  X(kEui64, 0x1, "IEEE Extended Unique Identifier, 8 bytes")       \
  X(kNguid, 0x2, "Namespace Globally Unique Identifier, 16 bytes") \
  X(kUuid, 0x3, "Namespace UUID, 16 bytes")                        \
  X(kCsi, 0x4, "Command Set Identifier, 1 byte")
WIRE_ENUM(NamespaceIdType, std::uint8_t, WIRE_NAMESPACE_ID_TYPES);

/// Header of a Namespace Identification Descriptor, CNS 03h (5.1.13.2.3). NIDL bytes of identifier
/// follow, then the next header; a header of zeros ends the 4096-byte list.
struct NamespaceIdDescriptor {
  /// Namespace Identifier Type (NIDT): see NamespaceIdType.
  std::uint8_t nidt;
  /// Namespace Identifier Length (NIDL), in bytes.
  std::uint8_t nidl;
  Bytes<2> reserved2;
};
WIRE_STRUCT(NamespaceIdDescriptor, 4, WIRE_FIELD(NamespaceIdDescriptor, nidt, 0),
            WIRE_FIELD(NamespaceIdDescriptor, nidl, 1));

/// Namespace List, CNS 02h, 07h and log page 04h (4.4.2): ascending, ended by 0.
struct NamespaceList {
  /// Identifiers; 0 ends the list.
  std::array<Le32, 1024> nsid;
};
WIRE_STRUCT(NamespaceList, 4096, WIRE_FIELD(NamespaceList, nsid, 0));

/// Controller List, CNS 12h and 13h (4.4.1): ascending.
struct ControllerList {
  /// Number of Identifiers that follow (NUMID).
  Le16 count;
  /// Controller identifiers.
  std::array<Le16, 2047> cntlid;
};
WIRE_STRUCT(ControllerList, 4096, WIRE_FIELD(ControllerList, count, 0),
            WIRE_FIELD(ControllerList, cntlid, 2));

/// I/O Command Set Vector.
#define WIRE_COMMAND_SET_VECTOR_BITS(X)      \
  X(Nvm, 0, 0, "NVM Command Set")            \
  X(KeyValue, 1, 1, "Key Value Command Set") \
  X(ZonedNamespace, 2, 2, "Zoned Namespace Command Set")
WIRE_BITS(CommandSetVector, WIRE_COMMAND_SET_VECTOR_BITS);

/// Identify I/O Command Set data structure, CNS 1Ch (5.1.13.2.20): the combinations that may be
/// selected.
struct IdentifyIoCommandSet {
  /// I/O Command Set Combinations: see CommandSetVector.
  std::array<Le64, 512> vector;
};
WIRE_STRUCT(IdentifyIoCommandSet, 4096, WIRE_FIELD(IdentifyIoCommandSet, vector, 0));

}  // namespace capsuled::wire
