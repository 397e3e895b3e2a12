// SPDX-License-Identifier: Apache-2.0
#include "failure.hpp"

#include <exception>
#include <iostream>

#include "ipc0cp/error.hpp"
#include "shm/similar_names.hpp"

namespace ipc0cp::cli {
namespace {

ExitCode exit_code_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::timeout:
      return kTimedOut;
    case ErrorCode::interrupted:
      return kInterrupted;
    default:
      return kFailed;
  }
}

}  // namespace

void no_such_ring(const std::string& name) {
  throw Failure(kNoSuchRing, "there is no ring '" + name + "'" + shm::similar_names(name));
}

int told(const std::function<int()>& function) {
  try {
    return function();
  } catch (const Failure& failure) {
    std::cerr << "ipc0cp: " << failure.what() << "\n";
    return failure.exit_code();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::interrupted) std::cerr << "ipc0cp: " << error.what() << "\n";
    return exit_code_of(error.code());
  } catch (const std::exception& error) {
    std::cerr << "ipc0cp: " << error.what() << "\n";
    return kFailed;
  }
}

}  // namespace ipc0cp::cli
