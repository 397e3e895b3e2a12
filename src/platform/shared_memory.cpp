// SPDX-License-Identifier: Apache-2.0
#include "platform/shared_memory.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "platform/ring_directory.hpp"

namespace ipc0cp::platform {
namespace {

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

std::array<char, 64> proc_path(int descriptor) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", descriptor);
  return path;
}

int open_path(const char* path, int flags, unsigned mode, File& file) noexcept {
  int descriptor = -1;
  do {
    descriptor = open(path, flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  descriptor = above_standard_streams(descriptor);
  if (descriptor < 0) return errno;
  file = File(descriptor);
  return 0;
}

FileIdentity to_identity(const struct stat& status) noexcept {
  FileIdentity identity;
  identity.device = status.st_dev;
  identity.inode = status.st_ino;
  identity.links = status.st_nlink;
  identity.bytes = static_cast<std::uint64_t>(status.st_size);
  identity.backed_bytes = static_cast<std::uint64_t>(status.st_blocks) * 512;  // By POSIX.
  identity.owner = status.st_uid;
  identity.mode = status.st_mode & 07777U;
  identity.regular = S_ISREG(status.st_mode);
  return identity;
}

}  // namespace

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    reset();
    descriptor_ = other.take();
  }
  return *this;
}

int File::take() noexcept { return std::exchange(descriptor_, -1); }

void File::reset() noexcept {
  if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
}

Mapping::Mapping(Mapping&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    reset();
    address_ = std::exchange(other.address_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Mapping::reset() noexcept {
  if (address_ != nullptr) munmap(std::exchange(address_, nullptr), bytes_);
}

int above_standard_streams(int descriptor) noexcept {
  if (descriptor < 0 || descriptor > STDERR_FILENO) return descriptor;
  const int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  close(descriptor);
  errno = error;
  return moved;
}

int open_existing(const std::string& path, File& file) noexcept {
  // O_NONBLOCK: a planted FIFO must not make us wait.
  return open_path(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0, file);
}

int open_to_look(const std::string& path, File& file) noexcept {
  return open_path(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, file);
}

int open_unnamed(unsigned mode, File& file) {
  return open_path(ring_directory().c_str(), O_TMPFILE | O_RDWR, mode, file);
}

int open_again(const File& file, File& again) noexcept {
  return open_path(proc_path(file.get()).data(), O_RDWR, 0, again);
}

bool has_proc() noexcept { return access("/proc/self/fd", F_OK) == 0; }

int give_name(const File& file, const std::string& path) noexcept {
  const auto source = proc_path(file.get());
  return linkat(AT_FDCWD, source.data(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0
                                                                                         : errno;
}

int remove_name(const std::string& path) noexcept { return unlink(path.c_str()) == 0 ? 0 : errno; }

int set_mode(int file, unsigned mode) noexcept { return fchmod(file, mode) == 0 ? 0 : errno; }

int set_size(const File& file, std::uint64_t bytes) noexcept {
  int result = 0;
  do {
    result = ftruncate(file.get(), static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int read_at(int file, std::uint64_t offset, void* target, std::size_t bytes) noexcept {
  auto* cursor = static_cast<std::byte*>(target);
  while (bytes > 0) {
    const ssize_t got = pread(file, cursor, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return ENODATA;
    cursor += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
  return 0;
}

int identity_of(int file, FileIdentity& identity) noexcept {
  struct stat status {};
  if (fstat(file, &status) != 0) return errno;
  identity = to_identity(status);
  return 0;
}

int identity_of(const std::string& path, FileIdentity& identity) noexcept {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return errno;
  identity = to_identity(status);
  return 0;
}

int map(const File& file, std::uint64_t offset, std::size_t bytes, bool writable,
        Mapping& mapping) noexcept {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* address = mmap(nullptr, bytes, protection, MAP_SHARED | MAP_NORESERVE, file.get(),
                       static_cast<off_t>(offset));
  if (address == MAP_FAILED) return errno;
  madvise(address, bytes, MADV_DONTDUMP);  // A dump of a huge ring would delay a death's notice.
  mapping = Mapping(address, bytes);
  return 0;
}

int reserve(int file, std::uint64_t file_offset, std::byte* address, std::size_t bytes) noexcept {
  constexpr std::size_t kPiece = std::size_t{2} << 20;
  while (bytes > 0) {
    const std::size_t piece = bytes < kPiece ? bytes : kPiece;
    int error = madvise(address, piece, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
    if (error == EINVAL || error == ENOSYS) {
      // The raw system call: the C library's emulation would write into a full file system.
      error = syscall(SYS_fallocate, file, 0, static_cast<off_t>(file_offset),
                      static_cast<off_t>(piece)) == 0
                  ? 0
                  : errno;
    }
    if (error == EINTR || error == EAGAIN) continue;
    if (error == EFAULT) return ENOSPC;  // What would have been SIGBUS at a store.
    if (error != 0) return error;
    address += piece;
    file_offset += piece;
    bytes -= piece;
  }
  return 0;
}

int unreserve(int file, std::uint64_t file_offset, std::size_t bytes) noexcept {
  long result = 0;
  do {
    result = syscall(SYS_fallocate, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(file_offset), static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

std::byte* copy_pages(int file, std::uint64_t file_offset, std::size_t bytes) noexcept {
  void* copy = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return nullptr;
  if (read_at(file, file_offset, copy, bytes) == 0) return static_cast<std::byte*>(copy);
  munmap(copy, bytes);
  return nullptr;
}

void discard_pages(std::byte* copy, std::size_t bytes) noexcept { munmap(copy, bytes); }

void replace_pages(std::byte* pages, std::byte* copy, std::size_t bytes, bool writable) noexcept {
  void* moved = mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, pages);
  if (moved != MAP_FAILED && !writable) mprotect(moved, bytes, PROT_READ);
}

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace ipc0cp::platform
