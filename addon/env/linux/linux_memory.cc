#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "env/linux/linux_parts.h"

namespace capsuled::env {
namespace {

constexpr size_t kHugePageBytes = size_t{2} * 1024 * 1024;

class LinuxRegion final : public Region {
 public:
  LinuxRegion(void* base, size_t bytes, size_t mapped_bytes)
      : base_(base), bytes_(bytes), mapped_bytes_(mapped_bytes) {}
  ~LinuxRegion() override { ASSERT(::munmap(base_, mapped_bytes_) == 0); }
  LinuxRegion(const LinuxRegion&) = delete;
  LinuxRegion& operator=(const LinuxRegion&) = delete;

  std::byte* base() override { return static_cast<std::byte*>(base_); }
  size_t bytes() const override { return bytes_; }
  bool discard(size_t offset, size_t length) override {
    ASSERT(offset <= mapped_bytes_ && length <= mapped_bytes_ - offset);
    return ::madvise(static_cast<std::byte*>(base_) + offset, length, MADV_DONTNEED) == 0;
  }

 private:
  void* const base_;
  const size_t bytes_;
  const size_t mapped_bytes_;
};

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

void* map(size_t bytes, int extra_flags) {
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | extra_flags,
                -1, 0);
}

}  // namespace

Result<std::unique_ptr<Region>> linux_allocate(size_t bytes, HugePages huge_pages) {
  if (bytes == 0) return Error{EINVAL, "allocate: no bytes asked for"};

  // Auto takes huge pages only if rounding up to them wastes little, and if the operator has set
  // some aside. Using the mapping cannot fail later: a mapping that succeeds has its huge pages
  // reserved.
  if (huge_pages == HugePages::Required ||
      (huge_pages == HugePages::Auto && bytes >= 8 * kHugePageBytes)) {
    const size_t mapped_bytes = round_up(bytes, kHugePageBytes);
    void* const base = map(mapped_bytes, MAP_HUGETLB | (21 << MAP_HUGE_SHIFT));
    if (base != MAP_FAILED) {
      return std::unique_ptr<Region>(std::make_unique<LinuxRegion>(base, bytes, mapped_bytes));
    }
    if (huge_pages == HugePages::Required) {
      return Error{errno, "huge pages are required but too few are free: raise vm.nr_hugepages"};
    }
  }

  const size_t mapped_bytes = round_up(bytes, static_cast<size_t>(::sysconf(_SC_PAGESIZE)));
  void* const base = map(mapped_bytes, 0);
  if (base == MAP_FAILED) return Error{errno, "cannot map memory for I/O buffers"};
  // With transparent huge pages, one byte that is touched may cost 2 MiB. A kernel that was built
  // without transparent huge pages answers EINVAL, which is ignored because it cannot use them.
  if (huge_pages == HugePages::Never) (void)::madvise(base, mapped_bytes, MADV_NOHUGEPAGE);
  return std::unique_ptr<Region>(std::make_unique<LinuxRegion>(base, bytes, mapped_bytes));
}

}  // namespace capsuled::env
