#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "env/env.h"

namespace capsuled::env {
namespace {

class ContentFolder {
 public:
  ContentFolder() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~ContentFolder() { std::filesystem::remove_all(path_); }
  ContentFolder(const ContentFolder&) = delete;
  ContentFolder& operator=(const ContentFolder&) = delete;

  std::string path(const char* name) const { return path_ + "/" + name; }
  std::string file(const char* name, off_t bytes) const {
    const int fd = ::open(path(name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(fd >= 0);
    REQUIRE(::ftruncate(fd, bytes) == 0);
    ::close(fd);
    return path(name);
  }

 private:
  // Not /tmp, which may be memory without extended attributes.
  std::string path_ = "/var/tmp/capsuled_content_XXXXXX";
};

}  // namespace

TEST_CASE("content: a file is its inode and size on a file system that has a name") {
  const auto env = make_linux_env().value();
  const ContentFolder folder;
  const std::string path = folder.file("disk", 12'288);
  struct stat status = {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  const ContentFacts facts = env->inspect(path).value();
  CHECK(facts.kind == ContentKind::File);
  CHECK(facts.device == status.st_dev);
  CHECK(facts.inode == status.st_ino);
  CHECK(facts.bytes == 12'288);
  CHECK(facts.links == 1);
  CHECK(facts.identity.empty());
  CHECK(facts.identity_errnum == 0);
  CHECK(!facts.file_system.id.empty());
  CHECK(!facts.file_system.type.empty());
  CHECK(path.starts_with(facts.file_system.mount_point));
  const ContentFacts around = env->inspect(folder.path("")).value();
  CHECK(around.kind == ContentKind::Directory);
  CHECK(around.file_system.id == facts.file_system.id);
  CHECK(env->inspect(folder.path("nothing")).error().errnum == ENOENT);
}

TEST_CASE("content: an open file that is deleted says so, and its name names another") {
  const auto env = make_linux_env().value();
  const ContentFolder folder;
  const std::string path = folder.file("disk", 4096);
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  const ContentFacts before = env->inspect_open(fd).value();
  REQUIRE(::rename(folder.file("new", 8192).c_str(), path.c_str()) == 0);
  const ContentFacts held = env->inspect_open(fd).value();
  CHECK(held.inode == before.inode);
  CHECK(held.links == 0);
  CHECK(env->inspect(path).value().inode != before.inode);
  ::close(fd);
}

TEST_CASE("content: what is recorded with a file goes with it, and only into the file meant") {
  const auto env = make_linux_env().value();
  const ContentFolder folder;
  const std::string path = folder.file("disk", 4096);
  const ContentFacts facts = env->inspect(path).value();
  const Result<void> recorded = env->record_identity(path, facts.device, facts.inode, "one");
  if (!recorded.ok() && recorded.error().errnum == ENOTSUP) return;  // no attributes here
  REQUIRE(recorded.ok());
  CHECK(env->inspect(path).value().identity == "one");
  REQUIRE(::rename(path.c_str(), folder.path("moved").c_str()) == 0);
  CHECK(env->inspect(folder.path("moved")).value().identity == "one");
  folder.file("disk", 4096);
  const Result<void> other = env->record_identity(path, facts.device, facts.inode, "two");
  REQUIRE(!other.ok());
  CHECK(other.error().errnum == ESTALE);
  CHECK(env->inspect(path).value().identity.empty());
  CHECK(env->record_identity(folder.path("moved"), facts.device, facts.inode, "").ok());
  CHECK(env->inspect(folder.path("moved")).value().identity.empty());
}

TEST_CASE("content: a device whose names cannot be read now is told from one that has none") {
  const auto env = make_linux_env().value();
  int fd = -1;
  for (const auto& entry : std::filesystem::directory_iterator("/dev")) {
    if (!entry.is_block_file()) continue;
    fd = ::open(entry.path().c_str(), O_PATH | O_CLOEXEC);
    if (fd >= 0) break;
  }
  if (fd < 0) return;  // no devices here
  const ContentFacts facts = env->inspect_open(fd).value();
  CHECK(facts.names_errnum == 0);
  struct rlimit files = {};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  const struct rlimit none = {.rlim_cur = 0, .rlim_max = files.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Result<ContentFacts> unread = env->inspect_open(fd);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  CHECK(unread.value().names_errnum == EMFILE);
  ::close(fd);
}

TEST_CASE("content: a longer attribute than ours is an error, not none") {
  const auto env = make_linux_env().value();
  const ContentFolder folder;
  const std::string path = folder.file("disk", 4096);
  // Room for it is not on every file system.
  const std::string longer(kIdentityBytesMax + 1, 'x');
  if (::setxattr(path.c_str(), kIdentityAttribute, longer.data(), longer.size(), 0) != 0) return;
  const ContentFacts facts = env->inspect(path).value();
  CHECK(facts.identity.empty());
  CHECK(facts.identity_errnum == ERANGE);
}

TEST_CASE("content: a FIFO is looked at without being opened") {
  const auto env = make_linux_env().value();
  const ContentFolder folder;
  REQUIRE(::mkfifo(folder.path("fifo").c_str(), 0600) == 0);
  CHECK(env->inspect(folder.path("fifo")).value().kind == ContentKind::Other);
}

TEST_CASE("content: a lock file is one holder's") {
  const auto env = make_linux_env().value();
  const ContentFolder folder;
  const int held = env->lock_file(folder.path("lock")).value();
  CHECK(env->lock_file(folder.path("lock")).error().errnum == EAGAIN);
  env->close(held);
  env->close(env->lock_file(folder.path("lock")).value());
}

}  // namespace capsuled::env
