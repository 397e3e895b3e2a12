// SPDX-License-Identifier: Apache-2.0
// ipc0cp rm: removes rings by the protocol by which their last consumer would.
#include <filesystem>
#include <iostream>
#include <memory>
#include <system_error>

#include "declared.hpp"
#include "failure.hpp"
#include "ipc0cp/error.hpp"
#include "platform/ring_directory.hpp"
#include "shm/removal.hpp"
#include "shm/ring_name.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using shm::Removal;
using shm::RemovalReport;

struct Options {
  std::vector<std::string> names;
  bool stale = false;
  bool force = false;
};

/// Why a ring stays, and what to do about it. The commands work as they stand.
std::string refusal(const std::string& name, const RemovalReport& report) {
  switch (report.outcome) {
    case Removal::in_use:
      return "ring '" + name + "' is in use" +
             (report.detail.empty() ? "" : " by " + report.detail) +
             "; end its users, or remove it under them: ipc0cp rm --force " + name;
    case Removal::holds_messages:
      return "ring '" + name + "' stays: " + counted(report.messages, "message") +
             " wait for a consumer; take them (ipc0cp recv " + name +
             " -o DIR), or remove them: ipc0cp rm " + name;
    default:
      return "'" + shm::printable(name) + "' cannot be used as a ring: " + report.detail +
             "; if it may go: " + shm::removal_command(name);
  }
}

/// @return whether it is gone, or none of our business.
bool remove_one(const std::string& name, bool force, bool stale) {
  if (!shm::is_ring_name(name)) {  // Found in the directory, so it may be called anything.
    const RemovalReport report{Removal::unreadable, "no ring can have this name", 0};
    std::cerr << "ipc0cp: " << refusal(name, report) << "\n";
    return stale;
  }
  const RemovalReport report = shm::remove_ring(name, {.force = force, .keep_messages = stale});
  if (report.outcome == Removal::absent) {
    if (!stale) no_such_ring(name);
    return true;
  }
  if (report.outcome == Removal::removed) {
    std::cout << "removed " << name;
    if (report.messages > 0) std::cout << " with " << counted(report.messages, "message");
    std::cout << "\n";
    if (force && !report.detail.empty()) {
      std::cout << "still running, without its name: " << report.detail << "\n";
    }
    return true;
  }
  // Of all rings, those that are in use are what nobody asked about.
  if (stale && report.outcome == Removal::in_use) return true;
  std::cerr << "ipc0cp: " << refusal(name, report) << "\n";
  return stale;
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(platform::ring_directory(), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    if (file.starts_with(shm::kFilePrefix)) names.push_back(file.substr(shm::kFilePrefix.size()));
  }
  return names;
}

int remove_rings(const Options& options) {
  if (options.stale != options.names.empty()) {
    throw Failure(kWrongUsage,
                  "name the rings to remove, or all in which nobody lives: ipc0cp rm --stale");
  }
  int exit_code = kDone;
  for (const std::string& name : options.stale ? all_names() : options.names) {
    try {
      if (!remove_one(name, options.force && !options.stale, options.stale)) exit_code = kFailed;
    } catch (const Failure& failure) {
      std::cerr << "ipc0cp: " << failure.what() << "\n";
      if (exit_code == kDone) exit_code = failure.exit_code();
    } catch (const Error& error) {
      if (options.stale && error.code() == ErrorCode::permission_denied) continue;
      std::cerr << "ipc0cp: " << error.what() << "\n";
      exit_code = kFailed;
    }
  }
  return exit_code;
}

}  // namespace

std::function<int()> prepare_rm(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.rings(options->names, "Names of the rings");
  arguments.flag("--stale", options->stale, "All rings in which nobody lives and no message waits");
  arguments.flag("-f,--force", options->force,
                 "Also a ring in use, and a file that is no ring of this version");
  return [options] { return remove_rings(*options); };
}

}  // namespace ipc0cp::cli
