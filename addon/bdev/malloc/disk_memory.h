// Copies between a RAM disk and buffers. A disk is larger than any cache, so a copy comes from far
// memory or goes to far memory, page by page, in no order that a processor could guess.
//
//   read    A processor prefetches by itself only up to the end of a page. So whoever copies a page
//           asks for the next page first, which then comes into the second cache meanwhile.
//   write   An ordinary store fetches each line that it is about to overwrite. So copies to a disk
//           go past the caches, if the processor can do that.
//
// Thread: any.
#pragma once

#include <cstddef>

namespace capsuled {

/// Asks memory for the lines of a stretch that will be read soon.
void prefetch_disk(const std::byte* at, size_t bytes);

/// Copies to the disk. Whoever synchronises with this thread afterwards, such as the next holder of
/// a lock, sees all of the copy.
void copy_to_disk(std::byte* to, const std::byte* from, size_t bytes);

}  // namespace capsuled
