#include "bdev/uring/uring_bdev.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "bdev/bdev_geometry.h"
#include "bdev/uring/uring_channel.h"
#include "reactor/reactor.h"

namespace capsuled {

namespace {

constexpr uint32_t kPageBytes = 4096;
/// One Unmap or WriteZeroes: a longer one would hold the file's lock against reads and writes for
/// too long.
constexpr uint64_t kZeroBytesMax = uint64_t{1} << 30;

class UringBdev final : public Bdev {
 public:
  UringBdev(BdevFacts facts, env::Env& env, UringFile file, uint64_t bytes)
      : Bdev(std::move(facts)), env_(env), file_(file), size_(bytes) {}
  ~UringBdev() override { env_.close(file_.fd); }
  UringBdev(const UringBdev&) = delete;
  UringBdev& operator=(const UringBdev&) = delete;

  std::unique_ptr<BdevChannel> make_channel(Reactor& reactor) override {
    return std::make_unique<UringChannel>(reactor, reactor.ring(), file_, size_, health());
  }
  uint64_t bytes_found() const override {
    return std::max(size_.found.load(std::memory_order_relaxed), Bdev::bytes_found());
  }

 protected:
  void grown(uint64_t block_count) override {
    size_.used.store(block_count * file_.block_size, std::memory_order_relaxed);
  }

 private:
  env::Env& env_;
  const UringFile file_;
  UringFileSize size_;
};

std::string bytes_text(uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

BdevError open_error(const UringBdevOptions& options, const Error& error) {
  const std::string& path = options.path;
  switch (error.errnum) {
    case ENOENT:
      if (options.create) {
        return {ENOENT, "path", "the directory of " + path + " does not exist; create it"};
      }
      return {ENOENT, "path",
              path + " does not exist; set `create: true` and a `size` to have it created"};
    case EISDIR:
      return {EISDIR, "path",
              "expected a regular file or a block device for `path`, got the directory " + path};
    case ENOTDIR:
      return {ENOTDIR, "path", "a part of " + path + " is a file where a directory should be"};
    case ELOOP: return {ELOOP, "path", "the symbolic links of " + path + " lead in a circle"};
    case ENAMETOOLONG:
      return {ENAMETOOLONG, "path", "a part of " + path + " is longer than a name may be"};
    case EACCES:
    case EPERM:
      return {error.errnum, "path",
              "no permission to open " + path + " for reading" +
                  (options.read_only ? "" : " and writing") + "; give it to the daemon's user" +
                  (options.read_only ? "" : ", or set `read_only: true`")};
    case EROFS:
      return {EROFS, "path",
              path + " is on a read-only file system; set `read_only: true` to export it so"};
    case EBUSY:
      return {EBUSY, "path",
              path + " is in use: " + error.what +
                  "; unmount it, or end what else has it (`fuser -v " + path + "` names it)"};
    case EAGAIN:
      return {EBUSY, "path",
              path +
                  " is in use: another bdev, or another process such as a second daemon, has "
                  "locked it; remove that bdev, or end that process (`fuser -v " +
                  path + "` names it)"};
    case EFBIG:
      return {EFBIG, "size",
              "cannot create " + path + " with " + bytes_text(options.bytes) +
                  ": its file system has no files of that size; take a smaller `size`"};
    case ENOSPC:
    case EDQUOT:
      return {
          error.errnum, "size",
          "cannot create " + path + " with " + bytes_text(options.bytes) + ": " + error.message()};
    default: return {error.errnum, "path", path + ": " + error.what + " (" + error.message() + ")"};
  }
}

/// Opens the file, created if asked for. The descriptor is the caller's.
Result<env::FileFacts> open_file(env::Env& env, const UringBdevOptions& options) {
  return env.open_file({.path = options.path,
                        .create_bytes = options.bytes,
                        .create = options.create,
                        .read_only = options.read_only,
                        .claim = options.claim});
}

std::optional<BdevError> check_options(const UringBdevOptions& options) {
  if (options.path.empty()) {
    return BdevError{EINVAL, "path", "expected the path of a file or block device for `path`"};
  }
  if (options.create && options.read_only) {
    return BdevError{EINVAL, "create", "expected no `create` with `read_only: true`"};
  }
  if (options.create && !options.claim) {
    return BdevError{EINVAL, "create", "expected no `create` of a file that is looked at"};
  }
  if (options.create && options.bytes == 0) {
    return BdevError{EINVAL, "size", "expected a `size` with `create: true`"};
  }
  // Before a file is created by mistake.
  if (options.bytes != 0) {
    return check_geometry(options.bytes,
                          options.block_size == 0 ? kBlockSizeMin : options.block_size);
  }
  return std::nullopt;
}

/// What of `options` does not fit the file that was found.
std::optional<BdevError> check_file(const UringBdevOptions& options, const env::FileFacts& file,
                                    uint32_t block_size) {
  if (options.bytes != 0 && file.bytes != options.bytes) {
    return BdevError{EINVAL, "size",
                     "expected " + options.path + " to have " + bytes_text(options.bytes) +
                         ", found " + bytes_text(file.bytes) +
                         "; correct `size`, or leave it out to take the size found"};
  }
  if (file.bytes == 0) {
    return BdevError{EINVAL, "size",
                     options.path + " is empty; set `create: true` and a `size` to fill it"};
  }
  if (file.direct && block_size < file.direct_alignment) {
    return BdevError{EINVAL, "block_size",
                     "expected at least " + std::to_string(file.direct_alignment) +
                         " for `block_size`, which direct I/O on " + options.path + " needs, got " +
                         std::to_string(block_size)};
  }
  if (auto error = check_geometry(file.bytes, block_size)) {
    error->message = options.path + ": " + error->message;
    return error;
  }
  return std::nullopt;
}

/// What the kernel answers to the operation that `begin(ring, op)` starts.
template <typename Begin>
int32_t ask(env::Env& env, Begin&& begin) {
  auto ring = env.make_ring(4);
  if (!ring.ok()) return -ring.error().errnum;
  struct Probe : env::RingOp {
    int32_t result = -EINPROGRESS;
  } probe;
  probe.complete = [](env::RingOp& op, env::Completion completion) {
    static_cast<Probe&>(op).result = completion.result;
  };
  begin(*ring.value(), probe);
  while (probe.in_flight) ring.value()->wait(UINT64_MAX);
  ring.value()->finish();
  return probe.result;
}

/// Whether the file system punches holes. Asked behind the end of the file, where there is nothing
/// to lose.
bool can_punch_hole(env::Env& env, const env::FileFacts& file) {
  const uint64_t behind = (file.bytes + kBlockSizeMax - 1) / kBlockSizeMax * kBlockSizeMax;
  return ask(env, [&](env::Ring& ring, env::RingOp& op) {
           ring.allocate(op, file.fd, env::AllocateMode::PunchHole, behind, kBlockSizeMax);
         }) == 0;
}

/// Whether a partition table (UEFI 2.10, 5.3) of a disk with blocks of 512 bytes is there. With
/// larger ones hosts would find none, and take the disk for an empty one.
bool has_table_of_small_blocks(env::Env& env, const env::FileFacts& file) {
  constexpr std::string_view kSignature = "EFI PART";
  alignas(kPageBytes) std::array<std::byte, kPageBytes> head{};
  const iovec iov{head.data(), head.size()};
  const int32_t read =
      ask(env, [&](env::Ring& ring, env::RingOp& op) { ring.read(op, file.fd, &iov, 1, 0); });
  return read >= static_cast<int32_t>(kBlockSizeMin + kSignature.size()) &&
         std::memcmp(&head[kBlockSizeMin], kSignature.data(), kSignature.size()) == 0;
}

BdevFacts make_facts(env::Env& env, const UringBdevOptions& options, const env::FileFacts& file,
                     uint32_t block_size) {
  BdevFacts facts;
  facts.name = options.name;
  facts.kind = "uring";
  facts.block_size = block_size;
  facts.block_count = file.bytes / block_size;
  facts.zero_blocks_max = kZeroBytesMax / block_size;
  facts.unmap_blocks_max = facts.zero_blocks_max;
  facts.buffer_alignment = file.direct ? std::min(file.direct_alignment, kPageBytes) : 1;
  facts.optimal_write_blocks =
      std::max(1u, std::max(file.direct_alignment, kPageBytes) / block_size);
  facts.read_only = options.read_only;
  if (!file.direct) {
    facts.warning = "the file system of " + options.path +
                    " has no O_DIRECT: data go through the page cache, and take the machine's "
                    "memory";
  }
  facts.created = file.created;
  facts.volatile_cache = true;
  facts.has_device = true;
  // A block device is asked when the first operation comes: it has no place behind its end to try.
  // Unmap that it refuses ends as Unsupported.
  facts.can_unmap = !options.read_only && (file.block_device || can_punch_hole(env, file));
  facts.unmap_zeroes = facts.can_unmap;
  facts.can_write_zeroes = facts.can_unmap;
  return facts;
}

}  // namespace

BdevResult make_uring_bdev(env::Env& env, const UringBdevOptions& options) {
  if (auto error = check_options(options)) return *std::move(error);
  const auto opened = open_file(env, options);
  if (!opened.ok()) return open_error(options, opened.error());
  const env::FileFacts& file = opened.value();
  uint32_t block_size = options.block_size;
  if (block_size == 0) {
    block_size = file.direct ? std::max(kBlockSizeMin, file.direct_alignment) : kBlockSizeMin;
  }
  if (auto error = check_file(options, file, block_size)) {
    env.discard_file(file);
    return *std::move(error);
  }
  if (options.block_size == 0 && block_size != kBlockSizeMin && !file.created &&
      has_table_of_small_blocks(env, file)) {
    env.discard_file(file);
    return BdevError{EINVAL, "block_size",
                     options.path +
                         " has the partition table of a disk with 512-byte blocks, and direct I/O "
                         "on it needs 4096; move it to a disk with 512-byte sectors, or write "
                         "`block_size: 4096` if hosts shall not find that table"};
  }
  Result<env::ContentFacts> content = env.inspect_open(file.fd);
  if (!content.ok()) {
    env.discard_file(file);
    return open_error(options, content.error());
  }
  BdevFacts facts = make_facts(env, options, file, block_size);
  facts.content = std::make_shared<const env::ContentFacts>(std::move(content).value());
  return std::unique_ptr<Bdev>(std::make_unique<UringBdev>(
      std::move(facts), env, UringFile{file.fd, block_size, file.block_device}, file.bytes));
}

const BdevKind kUringKind{
    "uring", [](const BdevContext& context, BdevParameters& parameters) -> BdevResult {
      const UringBdevOptions options{.name = parameters.name(),
                                     .path = parameters.text("path"),
                                     .bytes = parameters.number("size"),
                                     .block_size = parameters.small_number("block_size"),
                                     .create = parameters.flag("create"),
                                     .read_only = parameters.flag("read_only"),
                                     .claim = context.claim};
      if (auto error = parameters.error()) return *std::move(error);
      return make_uring_bdev(context.env, options);
    }};

}  // namespace capsuled
