// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "interrupt.hpp"
#include "ring_json.hpp"

namespace ipc0cp::cli {
namespace {

/// Its only purpose is to end poll(2).
void notice_new_size(int /*number*/) {}

volatile std::sig_atomic_t stop_is_asked_for = 0;
void notice_stop(int /*number*/) { stop_is_asked_for = 1; }

void handle(int number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigaction(number, &action, nullptr);
}

std::size_t from_environment(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  std::size_t number = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number == 0 ? otherwise : number;
}

const char* code_of(Color color) {
  switch (color) {
    case Color::red:
      return "31";
    case Color::green:
      return "32";
    case Color::yellow:
      return "33";
    case Color::blue:
      return "34";
    case Color::dim:
      return "2";
    case Color::bold:
      return "1";
    case Color::reverse:
      return "7";
    case Color::none:
      break;
  }
  return "0";
}

}  // namespace

bool has_pages() {
  const char* kind = std::getenv("TERM");
  return kind == nullptr || std::string_view(kind) != "dumb";
}

bool wants_color() {
  const char* no_color = std::getenv("NO_COLOR");
  return has_pages() && isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

std::string colored(std::string_view text, Color color, bool with_color) {
  if (!with_color || color == Color::none) return std::string(text);
  return std::string("\x1b[") + code_of(color) + "m" + std::string(text) + "\x1b[0m";
}

TerminalSize terminal_size() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    return {size.ws_col, size.ws_row};
  }
  return {from_environment("COLUMNS", 80), from_environment("LINES", 24)};
}

struct FullScreen::Saved {
  termios settings = {};
  bool has_keys = false;
};

FullScreen::FullScreen() : saved_(new Saved) {
  handle(SIGWINCH, notice_new_size);
  struct sigaction before = {};
  sigaction(SIGTSTP, nullptr, &before);
  // Where the parent ignores it there is no shell to come back to.
  if (before.sa_handler != SIG_IGN) handle(SIGTSTP, notice_stop);
  saved_->has_keys = tcgetattr(STDIN_FILENO, &saved_->settings) == 0;
  enter();
}

FullScreen::~FullScreen() {
  leave();
  delete saved_;
}

void FullScreen::enter() const {
  if (saved_->has_keys) {
    termios settings = saved_->settings;
    settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    settings.c_cc[VMIN] = 0;
    settings.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &settings);
  }
  // The other page, without a cursor.
  print_text("\x1b[?1049h\x1b[?25l");
}

void FullScreen::leave() const noexcept {
  constexpr std::string_view kBack = "\x1b[?25h\x1b[?1049l";
  // Nothing to be done if even that cannot be written: the terminal is gone.
  static_cast<void>(!write(STDOUT_FILENO, kBack.data(), kBack.size()));
  if (saved_->has_keys) tcsetattr(STDIN_FILENO, TCSANOW, &saved_->settings);
}

/// As Ctrl-Z asks for, with the terminal as the shell wants it.
void FullScreen::stop() const {
  stop_is_asked_for = 0;
  leave();
  handle(SIGTSTP, SIG_DFL);
  raise(SIGTSTP);
  handle(SIGTSTP, notice_stop);
  enter();
}

void FullScreen::show(const std::string& page) const {
  // Line over line, the rest of each erased: nothing flickers.
  std::string text = "\x1b[H";
  for (const char character : page) {
    if (character == '\n') text += "\x1b[K";
    text += character;
  }
  print_text(text + "\x1b[J");
}

std::optional<char> FullScreen::wait_for_key(double seconds) const {
  if (stop_is_asked_for != 0) stop();
  pollfd input = {saved_->has_keys ? STDIN_FILENO : -1, POLLIN, 0};
  // A signal that comes between the look and poll(2) is seen within a second.
  constexpr double kMostMilliseconds = 1000;
  const double milliseconds = std::clamp(std::ceil(seconds * 1000), 0.0, kMostMilliseconds);
  const int ready = poll(&input, 1, static_cast<int>(milliseconds));
  char key = 0;
  if (ready <= 0 || (input.revents & POLLIN) == 0) return std::nullopt;
  return read(STDIN_FILENO, &key, 1) == 1 ? std::optional<char>(key) : std::nullopt;
}

}  // namespace ipc0cp::cli
