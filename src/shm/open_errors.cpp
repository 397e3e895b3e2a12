// SPDX-License-Identifier: Apache-2.0
#include "shm/open_errors.hpp"

#include <cerrno>
#include <cstring>

#include "ipc0cp/error.hpp"
#include "platform/limits.hpp"
#include "platform/process_identity.hpp"
#include "platform/ring_directory.hpp"
#include "platform/shared_memory.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::shm::open_errors {

std::string quoted(const std::string& name) { return "ring '" + name + "'"; }

void system_failure(const std::string& what, int error) {
  throw Error(ErrorCode::system_error,
              what + ": " + std::strerror(error) + platform::limit_behind(error), error);
}

void cannot_open(const std::string& path, int error) {
  if (error == EACCES || error == EPERM) {
    throw Error(ErrorCode::permission_denied,
                path +
                    " belongs to another user or may not be opened; ask its owner for "
                    "mode=, or choose another name",
                error);
  }
  if (error == ELOOP || error == EISDIR || error == ENXIO || error == ENODEV) {
    not_a_regular_file(path, error);
  }
  system_failure("cannot open " + path, error);
}

void not_a_regular_file(const std::string& path, int error) {
  throw Error(ErrorCode::not_a_ring,
              path + " is not a regular file; remove it or choose another name", error);
}

void has_many_names(const std::string& path, std::uint64_t links) {
  throw Error(ErrorCode::not_a_ring, path + " has " + std::to_string(links) +
                                         " names (hard links), a ring has one; remove the others");
}

void foreign_owner(const std::string& path, std::uint32_t owner) {
  throw Error(ErrorCode::permission_denied,
              path + " belongs to user " + std::to_string(owner) + ", this is user " +
                  std::to_string(platform::effective_user()) +
                  "; name its owner in trusted_owners if you trust it",
              EPERM);
}

void cannot_remove(const std::string& path, std::uint32_t owner, int error) {
  throw Error(ErrorCode::permission_denied,
              path + " is left over from a ring that has ended, and only user " +
                  std::to_string(owner) + " may remove it (rm " + path +
                  "); or choose another name",
              error);
}

void check_directory() {
  const platform::DirectoryProblem problem = platform::ring_directory_problem();
  if (problem.error == 0) return;
  const bool forbidden = problem.error == EACCES || problem.error == EPERM;
  throw Error(forbidden ? ErrorCode::permission_denied : ErrorCode::system_error, problem.text,
              problem.error);
}

void cannot_make(int error) {
  const std::string what = "cannot make a file in " + platform::ring_directory();
  if (error == EACCES || error == EPERM || error == EROFS) {
    throw Error(
        ErrorCode::permission_denied,
        what + ": " + std::strerror(error) +
            "; let this user write there (chmod 1777), or set IPC0CP_DIRECTORY to a directory "
            "of yours on a tmpfs",
        error);
  }
  if (error == EOPNOTSUPP || error == EISDIR) {
    throw Error(ErrorCode::system_error,
                what +
                    ": its file system cannot make files without a name (O_TMPFILE); mount a "
                    "tmpfs there, or set IPC0CP_DIRECTORY to a directory on one",
                error);
  }
  system_failure(what, error);
}

void cannot_prepare(const std::string& path, int error) {
  if (error == ENOENT && !platform::has_proc()) {
    throw Error(ErrorCode::system_error,
                "cannot prepare " + path +
                    ": there is no /proc, through which a ring's file is opened again; mount it "
                    "(mount -t proc proc /proc)",
                error);
  }
  system_failure("cannot prepare " + path, error);
}

void file_too_large(const std::string& name, std::uint64_t file_bytes, std::uint64_t limit_bytes) {
  throw Error(ErrorCode::system_error,
              quoted(name) + " needs a file of " + std::to_string(file_bytes) +
                  " bytes, and this process may make files of " + std::to_string(limit_bytes) +
                  " (RLIMIT_FSIZE); ask for a smaller ring, or raise the limit (ulimit -f "
                  "unlimited)",
              EFBIG);
}

std::string beyond_memory_limit(const std::string& name, std::uint64_t needed_bytes,
                                const platform::MemoryLimit& limit) {
  return quoted(name) + " may take " + std::to_string(needed_bytes) + " bytes of memory, and " +
         std::to_string(limit.room_bytes) + " are left of the " +
         std::to_string(limit.limit_bytes) + " that this process' group may have (" + limit.file +
         "); ask for a smaller ring, or give the container more (--memory)";
}

void no_space(const std::string& name, std::uint64_t needed_bytes) {
  throw Error(ErrorCode::no_space,
              quoted(name) + " needs " + std::to_string(needed_bytes) + " bytes of " +
                  platform::ring_directory() + ", only " +
                  std::to_string(platform::free_shared_memory()) +
                  " are free; ask for less, remove files there that nobody uses, or give the "
                  "container more (--shm-size)",
              ENOSPC);
}

void other_size(const std::string& name, std::uint64_t has, std::uint64_t asked) {
  throw Error(ErrorCode::size_mismatch,
              quoted(name) + " has total_data_bytes=" + std::to_string(has) + ", asked for " +
                  std::to_string(asked) +
                  "; give every producer the same number (256 MiB is only the default in Python),"
                  " and consumers that or none");
}

void other_max_messages(const std::string& name, std::uint32_t has, std::uint32_t asked) {
  throw Error(ErrorCode::option_mismatch,
              quoted(name) + " has max_messages=" + std::to_string(has) + ", asked for " +
                  std::to_string(asked) +
                  "; start the producer that names it first, or leave it out");
}

void too_many_handles(const std::string& name) {
  throw Error(ErrorCode::too_many_participants, quoted(name) + " has " +
                                                    std::to_string(kMaxParticipants) +
                                                    " handles already, the most there can be; "
                                                    "close some");
}

void too_many_subscribers(const std::string& name) {
  throw Error(ErrorCode::too_many_participants,
              quoted(name) + " has " + std::to_string(kMaxSubscribers) +
                  " subscribers already, the most there can be; close some, or hand messages on "
                  "through a second ring");
}

}  // namespace ipc0cp::shm::open_errors
