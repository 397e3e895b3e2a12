// SPDX-License-Identifier: Apache-2.0
// Files of shared memory: opening, making, mapping and reserving them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ipc0cp::platform {

/// A file descriptor that closes itself.
class File {
 public:
  File() noexcept = default;
  explicit File(int descriptor) noexcept : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(other.take()) {}
  File& operator=(File&& other) noexcept;
  ~File() { reset(); }

  [[nodiscard]] int get() const noexcept { return descriptor_; }
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
  int take() noexcept;
  void reset() noexcept;

 private:
  int descriptor_ = -1;
};

/// A mapping that unmaps itself.
class Mapping {
 public:
  Mapping() noexcept = default;
  Mapping(void* address, std::size_t bytes) noexcept : address_(address), bytes_(bytes) {}
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping() { reset(); }

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(address_); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  void reset() noexcept;

 private:
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
};

struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t links = 0;
  std::uint64_t bytes = 0;
  std::uint64_t backed_bytes = 0;  ///< Memory behind the file, with that of its holes left out.
  std::uint32_t owner = 0;
  std::uint32_t mode = 0;
  bool regular = false;

  [[nodiscard]] bool same_file(const FileIdentity& other) const noexcept {
    return device == other.device && inode == other.inode;
  }
};

/// The same description under a number above those of the standard streams, which it closes:
/// whoever has closed these, as daemons do, still writes to number 2 what he has to say.
/// @return -1 with errno: there is no other number to be had.
int above_standard_streams(int descriptor) noexcept;

// Each returns 0 or an errno. No descriptor has the number of a standard stream.
int open_existing(const std::string& path, File& file) noexcept;
/// The same for looking only: what is open so can neither be written nor locked for writing.
int open_to_look(const std::string& path, File& file) noexcept;
/// In the directory of rings (ring_directory.hpp).
int open_unnamed(unsigned mode, File& file);
/// A second open file description of the same file, for locks of its own. Needs /proc.
int open_again(const File& file, File& again) noexcept;
/// Whether /proc shows the descriptors of this process.
bool has_proc() noexcept;
int give_name(const File& file, const std::string& path) noexcept;
int remove_name(const std::string& path) noexcept;
int set_mode(int file, unsigned mode) noexcept;
int set_size(const File& file, std::uint64_t bytes) noexcept;
int read_at(int file, std::uint64_t offset, void* target, std::size_t bytes) noexcept;
int identity_of(int file, FileIdentity& identity) noexcept;
int identity_of(const std::string& path, FileIdentity& identity) noexcept;
int map(const File& file, std::uint64_t offset, std::size_t bytes, bool writable,
        Mapping& mapping) noexcept;

/// Backs a mapped, page-aligned range with memory; `file` is used where the kernel cannot
/// populate a mapping. 0, ENOSPC, or another errno; earlier pages of the range may be backed then.
int reserve(int file, std::uint64_t file_offset, std::byte* address, std::size_t bytes) noexcept;

/// Gives the memory behind a range of the file back. @return 0 or an errno: none is given back.
int unreserve(int file, std::uint64_t file_offset, std::size_t bytes) noexcept;

/// A private copy of pages of a file, to be put over a mapping of them in a forked child; null
/// without memory. Made by read(2): a hole gives zeros, never SIGBUS.
std::byte* copy_pages(int file, std::uint64_t file_offset, std::size_t bytes) noexcept;
void discard_pages(std::byte* copy, std::size_t bytes) noexcept;
/// Moves a copy over the pages it was made of.
void replace_pages(std::byte* pages, std::byte* copy, std::size_t bytes, bool writable) noexcept;

std::size_t page_bytes() noexcept;

}  // namespace ipc0cp::platform
