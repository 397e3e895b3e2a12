// SPDX-License-Identifier: Apache-2.0
// The program `ipc0cp`: finds the command, parses its options, and turns what it throws into one
// sentence and an exit code. docs/command_line.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "command.hpp"
#include "external.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "pages.hpp"
#include "standard_streams.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

constexpr const char* kFooter =
    "Any other word X runs the program ipc0cp-X from PATH. `ipc0cp COMMAND --help` has examples.\n"
    "Exit codes: 0 done, 1 failed or findings, 2 timed out, 3 no such ring, 64 wrong usage.";

/// What stands in the table of commands, as CLI11 has it.
class Program {
 public:
  Program() : app_("Looks into rings of ipc0cp, and moves messages in and out of them", "ipc0cp") {
    app_.set_version_flag("--version", "ipc0cp " IPC0CP_VERSION, "Print the version and exit");
    app_.set_help_flag("-h,--help", "Print this help and exit");
    app_.footer(kFooter);
    app_.get_formatter()->column_width(30);
    app_.require_subcommand(0, 1);
    for (const Command& command : commands()) {
      CLI::App* parser = add(command.name, command.summary, command.examples);
      Arguments arguments(*parser);
      runs_.emplace_back(parser, command.prepare(arguments));
    }
    add_pages();
  }

  int run(const std::vector<std::string>& words) {
    try {
      std::vector<std::string> reversed(words.rbegin(), words.rend());  // As CLI11 wants them.
      app_.parse(reversed);
    } catch (const CLI::Success& success) {  // --help and --version.
      return app_.exit(success);
    } catch (const CLI::ParseError& error) {
      const auto used = app_.get_subcommands();
      const std::string of = used.empty() ? "" : " " + used.front()->get_name();
      throw Failure(kWrongUsage, std::string(error.what()) + "\nTry: ipc0cp" + of + " --help");
    }
    for (const auto& [parser, function] : runs_) {
      if (parser->parsed()) return function();
    }
    std::cerr << app_.help();
    return kWrongUsage;
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const CLI::App* command : app_.get_subcommands(nullptr)) {
      names.push_back(command->get_name());
    }
    return names;
  }

 private:
  CLI::App* add(const std::string& name, const std::string& summary, const std::string& examples) {
    CLI::App* parser = app_.add_subcommand(name, summary);
    std::string lines;
    for (std::size_t start = 0; start < examples.size();) {
      const std::size_t end = std::min(examples.find('\n', start), examples.size());
      lines += "\n  " + examples.substr(start, end - start);
      start = end + 1;
    }
    if (!lines.empty()) parser->footer("Examples:" + lines);
    return parser;
  }

  void add_pages() {
    CLI::App* help = add("help", "Show the help of a command", "ipc0cp help send");
    const auto of = std::make_shared<std::string>();
    help->add_option("command", *of, "Name of the command")->type_name("COMMAND");
    runs_.emplace_back(help, [this, of] { return show_help(*of); });
    CLI::App* man = add("man", "Print the man page",
                        "ipc0cp man | man -l -  # read it, where it is not installed");
    runs_.emplace_back(man, [this] { return print(man_page(app_)); });
    CLI::App* completion =
        add("completion", "Print a script that completes commands, options and names of rings",
            "eval \"$(ipc0cp completion bash)\"\n"
            "ipc0cp completion fish > ~/.config/fish/completions/ipc0cp.fish");
    const auto shell = std::make_shared<std::string>();
    Arguments(*completion).one_of("shell", *shell, {"bash", "zsh", "fish"}, "Which shell");
    runs_.emplace_back(completion,
                       [this, shell] { return print(completion_script(app_, *shell)); });
  }

  int show_help(const std::string& of) {
    if (of.empty()) {
      // app_.help() would be that of the command which has been parsed, `help` itself.
      return print(app_.get_formatter()->make_help(&app_, "ipc0cp", CLI::AppFormatMode::Normal));
    }
    for (const CLI::App* command : app_.get_subcommands(nullptr)) {
      if (command->get_name() == of) return print(command->help("ipc0cp"));
    }
    throw Failure(kWrongUsage, "there is no command '" + of + "'" + did_you_mean(of, names()));
  }

  static int print(const std::string& text) {
    std::cout << text << std::flush;
    return std::cout ? kDone : kFailed;
  }

  CLI::App app_;
  std::vector<std::pair<CLI::App*, std::function<int()>>> runs_;
};

/// A first word that is no command of ours is somebody else's.
void try_external(const Program& program, const std::vector<std::string>& words) {
  if (words.empty() || words[0].empty() || words[0].starts_with('-')) return;
  std::vector<std::string> names = program.names();
  if (std::find(names.begin(), names.end(), words[0]) != names.end()) return;
  const std::string outside = "ipc0cp-" + words[0];
  int error = ENOENT;
  if (words[0].find('/') == std::string::npos) {
    error = become_external(words[0], {words.begin() + 1, words.end()});
  }
  if (error != ENOENT) {
    throw Failure(kFailed, "cannot run " + outside + ": " + std::strerror(error));
  }
  for (const std::string& other : external_words()) names.push_back(other);
  throw Failure(kWrongUsage, "there is no command '" + words[0] + "', and no program " + outside +
                                 " on PATH" + did_you_mean(words[0], names) +
                                 "\nTry: ipc0cp --help");
}

int run(const std::vector<std::string>& words) {
  return told([&words] {
    hold_standard_streams();
    Program program;
    try_external(program, words);
    heed_signals();
    return program.run(words);
  });
}

}  // namespace
}  // namespace ipc0cp::cli

int main(int argc, char** argv) {
  return ipc0cp::cli::run(std::vector<std::string>(argv + std::min(argc, 1), argv + argc));
}
