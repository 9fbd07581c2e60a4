// NvmeDisk: what a channel asks of whoever knows what has become of its namespace.
#pragma once

namespace capsuled {

class NvmeDisk {
 public:
  /// Any thread. Whether it is, as it was found last, the disk that it was, with no block missing.
  virtual bool is_whole() const = 0;

 protected:
  ~NvmeDisk() = default;
};

}  // namespace capsuled
