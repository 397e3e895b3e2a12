// SPDX-License-Identifier: Apache-2.0
// ipc0cp serve: hands over to ipc0cp-serve, a program of its own. The other commands so do not need
// the HTTP library when they run, which a machine may lack that got the program as a file.
#include <cerrno>
#include <cstring>
#include <memory>

#include "declared.hpp"
#include "external.hpp"
#include "failure.hpp"
#include "serve_options.hpp"

namespace ipc0cp::cli {

std::function<int()> prepare_serve(Arguments& arguments) {
  const auto options = std::make_shared<ServeOptions>();
  declare(arguments, *options);
  return [options]() -> int {
    check(*options);
    const int error = become_sibling("serve", to_words(*options));
    if (error != ENOENT) {
      throw Failure(kFailed, std::string("cannot run ipc0cp-serve: ") + std::strerror(error));
    }
    throw Failure(kFailed,
                  "this ipc0cp was built without its page, because the machine lacked the package "
                  "libcpp-httplib-dev\nOn Debian and Ubuntu: apt-get install libcpp-httplib-dev, "
                  "and build or pip install ipc0cp again; live in a terminal: ipc0cp top");
  };
}

}  // namespace ipc0cp::cli
