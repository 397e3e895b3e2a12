// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <sstream>

#include "pages.hpp"

namespace ipc0cp::cli {
namespace {

/// Text for troff: no backslashes, no requests by accident, hyphens that can be copied.
std::string escaped(const std::string& text) {
  std::string result;
  bool line_starts = true;
  for (const char character : text) {
    if (line_starts && (character == '.' || character == '\'')) result += "\\&";
    if (character == '\\') {
      result += "\\e";
    } else if (character == '-') {
      result += "\\-";
    } else {
      result += character;
    }
    line_starts = character == '\n';
  }
  return result;
}

/// "ring", or "-n, --count N".
std::string heading_of(const CLI::Option& option) {
  std::string kind = option.get_type_name();
  if (option.get_positional()) return kind;
  std::string names;
  for (const std::string& name : option.get_snames()) names += (names.empty() ? "-" : ", -") + name;
  for (const std::string& name : option.get_lnames()) {
    names += (names.empty() ? "--" : ", --") + name;
  }
  if (option.get_items_expected_max() == 0) return names;
  return names + (option.get_items_expected_min() == 0 ? " [" + kind + "]" : " " + kind);
}

void append_options(std::ostringstream& page, const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    page << ".TP\n.B " << escaped(heading_of(*option)) << "\n"
         << escaped(option->get_description()) << "\n";
  }
}

void append_command(std::ostringstream& page, const CLI::App& command) {
  page << ".SS \"ipc0cp " << escaped(command.get_name()) << "\"\n"
       << escaped(command.get_description()) << "\n";
  append_options(page, command);
  if (command.get_footer().empty()) return;
  page << ".PP\n.nf\n" << escaped(command.get_footer()) << "\n.fi\n";
}

constexpr const char* kEnd = R"(.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
failed; \fBdoctor\fR has findings; \fBrm\fR has refused
.TP
.B 2
the time of \-\-timeout is over
.TP
.B 3
there is no ring of this name
.TP
.B 64
wrong usage
.TP
.B 130
ended by Ctrl\-C
.SH ENVIRONMENT
.TP
.B IPC0CP_DIRECTORY
where rings are, instead of /dev/shm
.TP
.B NO_COLOR
if set, no colours
.SH FILES
.TP
.B /dev/shm/ipc0cp.NAME
the ring NAME
)";

}  // namespace

std::string man_page(const CLI::App& program) {
  std::ostringstream page;
  page << ".TH IPC0CP 1 \"\" \"ipc0cp " IPC0CP_VERSION "\" \"User Commands\"\n"
       << ".SH NAME\nipc0cp \\- " << escaped(program.get_description()) << "\n"
       << ".SH SYNOPSIS\n.B ipc0cp\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
       << ".SH DESCRIPTION\n"
       << "Any other word \\fIX\\fR runs the program \\fBipc0cp\\-\\fIX\\fR from PATH.\n";
  append_options(page, program);
  page << ".SH COMMANDS\n";
  for (const CLI::App* command : program.get_subcommands(nullptr)) append_command(page, *command);
  page << kEnd;
  return page.str();
}

}  // namespace ipc0cp::cli
