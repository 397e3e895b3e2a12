// SPDX-License-Identifier: Apache-2.0
// A plain object in shared memory, found by its name. Whoever comes first makes it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "transport.hpp"

namespace bench {

/// A T whose bytes are all zero at first; so a T has to be made that zeros mean its beginning, and
/// endpoints need no order among each other.
template <class T>
class SharedObject {
 public:
  /// @param bytes of the object and what follows it; the same in all endpoints.
  explicit SharedObject(const std::string& name, std::size_t bytes = sizeof(T))
      : path_("/dev/shm/bench-" + name), bytes_(bytes) {
    const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) throw_errno("cannot open " + path_);
    // Growing to the size that it has already changes nothing.
    if (ftruncate(file, static_cast<off_t>(bytes)) != 0) throw_errno("cannot grow " + path_);
    void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (address == MAP_FAILED) throw_errno("cannot map " + path_);
    object_ = static_cast<T*>(address);
  }
  SharedObject(const SharedObject&) = delete;
  SharedObject& operator=(const SharedObject&) = delete;
  ~SharedObject() {
    forget_name();
    munmap(object_, bytes_);
  }

  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }

  /// Nobody else needs to find it; the memory goes with the last process that has it.
  void forget_name() { unlink(path_.c_str()); }

 private:
  std::string path_;
  std::size_t bytes_;
  T* object_;
};

}  // namespace bench
