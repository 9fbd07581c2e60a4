#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "env/env.h"

namespace capsuled::env {
namespace {

struct Folder {
  Folder() { REQUIRE(::mkdtemp(root.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(root); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(const std::string& text) const {
    std::ofstream(root + "/file") << text;
    return root + "/file";
  }
  /// What is read of `path` with room for `room` bytes.
  std::string read(const std::string& path, size_t room = 64) {
    std::vector<std::byte> into(room);
    found = env->read_file(path, into).value();
    return {reinterpret_cast<const char*>(into.data()), found.bytes};
  }
  int fault(const std::string& path) const {
    std::array<std::byte, 8> into{};
    return env->read_file(path, into).error().errnum;
  }

  std::string root = "/tmp/capsuled_read_XXXXXX";
  std::unique_ptr<Env> env = make_linux_env().value();
  FileRead found;
};

}  // namespace

TEST_CASE("file read: all of it, or as much as there is room for") {
  Folder folder;
  CHECK(folder.read(folder.file("some text")) == "some text");
  CHECK(folder.read(folder.file("some text"), 4) == "some");
  CHECK(folder.read(folder.file("")).empty());
  // It says that it has no bytes.
  CHECK(folder.read("/proc/self/comm").size() > 1);
}

TEST_CASE("file read: who may read it, and whose it is, of the file that a link leads to") {
  Folder folder;
  const std::string path = folder.file("text");
  REQUIRE(::symlink(path.c_str(), (folder.root + "/link").c_str()) == 0);
  for (const mode_t mode : {0600u, 0644u, 0400u, 04640u}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    CHECK(folder.read(folder.root + "/link") == "text");
    CHECK(folder.found.mode == mode);
    CHECK(folder.found.owner == ::geteuid());
    CHECK(folder.found.user == ::geteuid());
  }
}

TEST_CASE("file read: what is no regular file is not opened") {
  const Folder folder;
  const std::string fifo = folder.root + "/fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  // A FIFO that was opened for reading would let somebody open it for writing.
  CHECK(folder.fault(fifo) == EINVAL);
  CHECK(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC) == -1);
  CHECK(errno == ENXIO);
  CHECK(folder.fault("/dev/null") == EINVAL);
  CHECK(folder.fault(folder.root) == EISDIR);
  CHECK(folder.fault(folder.root + "/none") == ENOENT);
  CHECK(folder.fault(folder.file("") + "/below") == ENOTDIR);
}

}  // namespace capsuled::env
