// Copies between a RAM disk and buffers. A disk is larger than any cache, so that what is copied
// comes from, or goes to, far memory, page by page in no order that a processor could guess.
//
//   read    the processor's own prefetching ends at each page: the next one is asked for, into the
//           second cache, while this one is copied
//   write   past the caches, if the processor can: a store would fetch each line that it overwrites
//
// Thread: any.
#pragma once

#include <cstddef>

namespace capsuled {

/// Asks for the lines of a stretch, to be read soon.
void prefetch_disk(const std::byte* at, size_t bytes);

/// To the disk. All of it is there for whoever synchronises with this thread afterwards.
void copy_to_disk(std::byte* to, const std::byte* from, size_t bytes);

}  // namespace capsuled
