// SPDX-License-Identifier: Apache-2.0
// The program `ipc0cp-serve`, which `ipc0cp serve` hands over to.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "page_server.hpp"
#include "standard_streams.hpp"

namespace ipc0cp::cli {
namespace {

int run(std::vector<std::string> words) {
  hold_standard_streams();
  CLI::App app("Shows all rings in a browser; the same as: ipc0cp serve", "ipc0cp-serve");
  Arguments arguments(app);
  ServeOptions options;
  declare(arguments, options);
  try {
    std::reverse(words.begin(), words.end());  // As CLI11 wants them.
    app.parse(words);
  } catch (const CLI::Success& success) {  // --help.
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    throw Failure(kWrongUsage, std::string(error.what()) + "\nTry: ipc0cp serve --help");
  }
  check(options);
  heed_signals();
  return serve(options);
}

}  // namespace
}  // namespace ipc0cp::cli

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  return ipc0cp::cli::told([&words] { return ipc0cp::cli::run(words); });
}
