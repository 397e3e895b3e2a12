// SPDX-License-Identifier: Apache-2.0
// A terminal: its size, keys that are pressed, and colours where they are wanted.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ipc0cp::cli {

enum class Color { none, red, green, yellow, blue, dim, bold, reverse };

/// Whether the terminal can do more than write one line after the other, which is all that a shell
/// in an editor does (TERM=dumb).
bool has_pages();
/// Whether standard output shows colours: it is a terminal that has some, and NO_COLOR is not set.
bool wants_color();
/// `text` in the color, or as it is.
std::string colored(std::string_view text, Color color, bool with_color);

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};
/// Of standard output, else as COLUMNS and LINES say, else 80 x 24.
TerminalSize terminal_size();

/// While one exists, the terminal shows a page of its own, and keys come as they are pressed. The
/// destructor puts everything back; so does Ctrl-Z, until the program goes on.
class FullScreen {
 public:
  FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen();

  /// Replaces what is shown. Lines end in "\n".
  void show(const std::string& page) const;
  /// Waits for a key, so many seconds and one at most; a change of the window's size ends it, too.
  [[nodiscard]] std::optional<char> wait_for_key(double seconds) const;

 private:
  void enter() const;
  void leave() const noexcept;
  void stop() const;

  struct Saved;
  Saved* saved_;
};

}  // namespace ipc0cp::cli
