// SpareBuffers: memory that one channel needs beside its hosts' data: for an emulated Compare, or
// for what a layer makes of a Write.
//
// It comes from the spare buffers of the reactor's pool as long as there are some. It must not wait
// there: an operation holds pool buffers with the host's data already, and operations that hold
// some and wait for more would wait for each other for ever. So each channel has one buffer of its
// own for when the spare ones are taken; whoever finds that taken too waits for it, and it always
// comes back, because its holder needs nothing else but its device. Of the spare ones a channel
// holds no more than it leaves, so that one whose device hangs does not hold all of them.
//
// Memory that is never used costs no RSS. Owner and thread: a channel, on its reactor.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "reactor/buffer_pool.h"

namespace capsuled {

class SpareBuffers {
 public:
  SpareBuffers(BufferPool& pool, uint32_t reserve_bytes);
  ~SpareBuffers();
  SpareBuffers(const SpareBuffers&) = delete;
  SpareBuffers& operator=(const SpareBuffers&) = delete;

  /// Fills `buffers` for `bytes`, up to kTransferBytesMax. Returns the bytes got: all; what the
  /// reserve has, if that is less; or 0, which means that the reserve is taken and put() will bring
  /// it back.
  uint32_t get(uint32_t bytes, IoBuffers& buffers);
  void put(IoBuffers& buffers);

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  BufferPool& pool_;
  const uint32_t reserve_bytes_;
  const std::unique_ptr<void, Free> reserve_;
  bool reserve_taken_ = false;
  SpareHold held_;
};

}  // namespace capsuled
