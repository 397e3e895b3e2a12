// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <sstream>
#include <vector>

#include "arguments.hpp"
#include "pages.hpp"

namespace ipc0cp::cli {
namespace {

/// What can stand at a place, in the order of a command line.
struct Completed {
  std::string name;
  std::string summary;
  std::vector<const CLI::Option*> options;
  std::vector<const CLI::Option*> places;
};

std::vector<Completed> commands_of(const CLI::App& program) {
  std::vector<Completed> commands;
  for (const CLI::App* command : program.get_subcommands(nullptr)) {
    Completed& one = commands.emplace_back();
    one.name = command->get_name();
    one.summary = command->get_description();
    for (const CLI::Option* option : command->get_options()) {
      (option->get_positional() ? one.places : one.options).push_back(option);
    }
  }
  return commands;
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

/// In single quotes, for any shell.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char character : text)
    result += character == '\'' ? "'\\''" : std::string(1, character);
  return result + "'";
}

/// The words a value can be ("raw|max"); none for a kind such as FILE.
std::string words_of(const std::string& kind) {
  if (kind.find('|') == std::string::npos) return {};
  std::string words = kind;
  for (char& character : words) {
    if (character == '|') character = ' ';
  }
  return words;
}

// ---- bash ---------------------------------------------------------------------------------------

constexpr const char* kBashStart = R"sh(# Completion of ipc0cp for bash.
_ipc0cp_rings() {
  local directory=${IPC0CP_DIRECTORY:-/dev/shm} file
  for file in "$directory"/ipc0cp.*; do
    file=${file##*/ipc0cp.}
    # compgen expands the words it is given: no other user's file may be a command.
    case $file in '' | *[!A-Za-z0-9._-]*) continue ;; esac
    printf '%s\n' "$file"
  done
}
_ipc0cp_kind() {
  case $1 in
    RING) COMPREPLY=($(compgen -W "$(_ipc0cp_rings)" -- "$2")) ;;
    FILE) COMPREPLY=($(compgen -f -- "$2")) ;;
    DIR) COMPREPLY=($(compgen -d -- "$2")) ;;
    *\|*) COMPREPLY=($(compgen -W "${1//|/ }" -- "$2")) ;;
  esac
}
_ipc0cp() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options places
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "@COMMANDS@" -- "$word"))
    return
  fi
  COMPREPLY=()
  case ${COMP_WORDS[1]} in
)sh";
constexpr const char* kBashEnd = R"sh(    *) return ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) set -- $places
       local place=$((COMP_CWORD - 2))
       while [ "$place" -gt 0 ] && [ "$#" -gt 1 ]; do shift; place=$((place - 1)); done
       _ipc0cp_kind "$1" "$word" ;;
  esac
}
complete -o filenames -F _ipc0cp ipc0cp
)sh";

std::string bash_script(const std::vector<Completed>& commands) {
  std::ostringstream cases;
  std::string names;
  for (const Completed& command : commands) {
    names += (names.empty() ? "" : " ") + command.name;
    std::string options;
    std::string places;
    std::ostringstream values;
    for (const CLI::Option* option : command.options) {
      std::string pattern;
      for (const std::string& name : names_of(*option)) {
        options += (options.empty() ? "" : " ") + name;
        pattern += (pattern.empty() ? "" : "|") + name;
      }
      if (!takes_value(*option) || option->get_items_expected_min() == 0) continue;
      values << "        " << pattern << ") _ipc0cp_kind " << quoted(option->get_type_name())
             << " \"$word\"; return ;;\n";
    }
    for (const CLI::Option* place : command.places) {
      places += (places.empty() ? "" : " ") + place->get_type_name();
    }
    cases << "    " << command.name << ")\n      options=" << quoted(options)
          << " places=" << quoted(places) << "\n";
    if (!values.str().empty()) {
      cases << "      case $before in\n" << values.str() << "      esac\n";
    }
    cases << "      ;;\n";
  }
  std::string start = kBashStart;
  start.replace(start.find("@COMMANDS@"), 10, names);
  return start + cases.str() + kBashEnd;
}

// ---- zsh ----------------------------------------------------------------------------------------

std::string zsh_action(const std::string& kind) {
  if (kind == kRingKind) return ":_ipc0cp_rings";
  if (kind == kFileKind) return ":_files";
  if (kind == kDirectoryKind) return ":_files -/";
  const std::string words = words_of(kind);
  return words.empty() ? ": " : ":(" + words + ")";
}

/// Inside '...[...]' brackets and colons have a meaning.
std::string zsh_text(const std::string& text) {
  std::string result;
  for (const char character : text) {
    if (character == '[' || character == ']' || character == ':' || character == '\\')
      result += '\\';
    result += character;
  }
  return result;
}

std::string zsh_script(const std::vector<Completed>& commands) {
  std::ostringstream script;
  script << "#compdef ipc0cp\n# Completion of ipc0cp for zsh.\n"
         << "_ipc0cp_rings() {\n"
         << "  local -a rings\n"
         << "  rings=(${IPC0CP_DIRECTORY:-/dev/shm}/ipc0cp.*(N:t))\n"
         << "  compadd -- ${${rings#ipc0cp.}:#*[^A-Za-z0-9._-]*}\n}\n"
         << "_ipc0cp() {\n"
         << "  if (( CURRENT == 2 )); then\n    local -a commands\n    commands=(\n";
  for (const Completed& command : commands) {
    script << "      " << quoted(command.name + ":" + command.summary) << "\n";
  }
  script << "    )\n    _describe command commands\n    return\n  fi\n"
         << "  local command=$words[2]\n  shift words\n  (( CURRENT -= 1 ))\n"
         << "  case $command in\n";
  for (const Completed& command : commands) {
    script << "    " << command.name << ") _arguments -s";
    for (const CLI::Option* option : command.options) {
      const std::string kind = option->get_type_name();
      const std::string value = takes_value(*option) ? ":" + kind + zsh_action(kind) : "";
      for (std::string name : names_of(*option)) {
        name.append("[").append(zsh_text(option->get_description())).append("]").append(value);
        script << " \\\n      " << quoted(name);
      }
    }
    for (const CLI::Option* place : command.places) {
      const bool many = place->get_items_expected_max() > 1;
      const std::string kind = place->get_type_name();
      script << " \\\n      " << quoted((many ? "*:" : ":") + kind + zsh_action(kind));
    }
    script << " ;;\n";
  }
  script << "  esac\n}\n_ipc0cp \"$@\"\n";
  return script.str();
}

// ---- fish ---------------------------------------------------------------------------------------

std::string fish_values(const std::string& kind) {
  if (kind == kRingKind) return " -xa '(__ipc0cp_rings)'";
  if (kind == kFileKind) return " -rF";
  if (kind == kDirectoryKind) return " -xa '(__fish_complete_directories)'";
  return " -x" + (words_of(kind).empty() ? "" : " -a " + quoted(words_of(kind)));
}

std::string fish_script(const std::vector<Completed>& commands) {
  std::ostringstream script;
  script << "# Completion of ipc0cp for fish.\n"
         << "function __ipc0cp_rings\n"
         << "  set -l directory /dev/shm\n"
         << "  set -q IPC0CP_DIRECTORY; and set directory $IPC0CP_DIRECTORY\n"
         << "  for file in $directory/ipc0cp.*\n"
         << "    string replace -rf '^.*/ipc0cp\\.([A-Za-z0-9._-]+)$' '$1' -- $file\n  end\nend\n"
         << "complete -c ipc0cp -f\n";
  for (const Completed& command : commands) {
    script << "complete -c ipc0cp -n __fish_use_subcommand -a " << quoted(command.name) << " -d "
           << quoted(command.summary) << "\n";
    const std::string seen = " -n " + quoted("__fish_seen_subcommand_from " + command.name);
    for (const CLI::Option* option : command.options) {
      script << "complete -c ipc0cp" << seen;
      for (const std::string& name : option->get_snames()) script << " -s " << name;
      for (const std::string& name : option->get_lnames()) script << " -l " << name;
      script << " -d " << quoted(option->get_description());
      if (takes_value(*option)) script << fish_values(option->get_type_name());
      script << "\n";
    }
    for (const CLI::Option* place : command.places) {
      const std::string kind = place->get_type_name();
      const bool files = kind == kFileKind;
      script << "complete -c ipc0cp" << seen << (files ? " -F" : fish_values(kind)) << "\n";
    }
  }
  return script.str();
}

}  // namespace

std::string completion_script(const CLI::App& program, const std::string& shell) {
  const std::vector<Completed> commands = commands_of(program);
  if (shell == "zsh") return zsh_script(commands);
  return shell == "fish" ? fish_script(commands) : bash_script(commands);
}

}  // namespace ipc0cp::cli
