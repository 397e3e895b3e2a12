// SPDX-License-Identifier: Apache-2.0
// Why a ring cannot be opened or made, in words: what was asked, what is there, the way out.
#pragma once

#include <cstdint>
#include <string>

#include "platform/memory_limit.hpp"

namespace ipc0cp::shm::open_errors {

/// "ring 'NAME'", as every line about a ring begins.
std::string quoted(const std::string& name);

[[noreturn]] void system_failure(const std::string& what, int error);
/// The name is there and open(2) refused it.
[[noreturn]] void cannot_open(const std::string& path, int error);
[[noreturn]] void not_a_regular_file(const std::string& path, int error = 0);
[[noreturn]] void has_many_names(const std::string& path, std::uint64_t links);
[[noreturn]] void foreign_owner(const std::string& path, std::uint32_t owner);
/// Only its owner may remove the file of a ring that has ended.
[[noreturn]] void cannot_remove(const std::string& path, std::uint32_t owner, int error);
/// Refuses a directory in which no ring can live.
void check_directory();
/// A file cannot be made in the directory of rings.
[[noreturn]] void cannot_make(int error);
/// Without /proc a file cannot be opened a second time, nor given its name.
[[noreturn]] void cannot_prepare(const std::string& path, int error);
/// Its size is beyond RLIMIT_FSIZE, and to set it would end the process (SIGXFSZ).
[[noreturn]] void file_too_large(const std::string& name, std::uint64_t file_bytes,
                                 std::uint64_t limit_bytes);
/// What a ring of this size means under the memory limit of the group (cgroup) of this process.
std::string beyond_memory_limit(const std::string& name, std::uint64_t needed_bytes,
                                const platform::MemoryLimit& limit);
[[noreturn]] void no_space(const std::string& name, std::uint64_t needed_bytes);
[[noreturn]] void other_size(const std::string& name, std::uint64_t has, std::uint64_t asked);
[[noreturn]] void other_max_messages(const std::string& name, std::uint32_t has,
                                     std::uint32_t asked);
[[noreturn]] void too_many_handles(const std::string& name);
[[noreturn]] void too_many_subscribers(const std::string& name);

}  // namespace ipc0cp::shm::open_errors
