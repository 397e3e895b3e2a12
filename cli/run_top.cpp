// SPDX-License-Identifier: Apache-2.0
// ipc0cp top: all rings live, and who blocks whom.
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "declared.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "page_json.hpp"
#include "ring_json.hpp"
#include "ring_watch.hpp"
#include "standard_streams.hpp"
#include "top_page.hpp"

namespace ipc0cp::cli {
namespace {

struct Options {
  bool once = false;
  bool json = false;
  std::optional<double> interval;
};

constexpr double kFirstInterval = 0.5;

int show_once(const Options& options, RingWatch& watch) {
  watch.look();
  if (!sleep_for(options.interval.value_or(kFirstInterval))) return kInterrupted;
  const TopPage page = watch.look();
  if (options.json) {
    print_json(page_json(page), false);
  } else {
    print_text(top_text(page, terminal_size(), false, wants_color()));
  }
  return kDone;
}

int print_lines(const Options& options, RingWatch& watch) {
  watch.look();
  while (sleep_for(options.interval.value_or(1))) print_json(page_json(watch.look()), true);
  return kDone;
}

/// What a key other than q asks for.
void choose_order(char key, TopOrder& order) {
  switch (key) {
    case 'n':
      order = TopOrder::name;
      return;
    case 'd':
      order = TopOrder::depth;
      return;
    case 'i':
      order = TopOrder::in;
      return;
    case 'o':
      order = TopOrder::out;
      return;
    default:
      return;
  }
}

int show_live(const Options& options, RingWatch& watch) {
  using Clock = std::chrono::steady_clock;
  const FullScreen screen;
  TopOrder order = TopOrder::name;
  std::chrono::duration<double> wait(kFirstInterval);
  while (!interrupted()) {
    const auto next_look = Clock::now() + wait;
    wait = std::chrono::duration<double>(options.interval.value_or(1));
    TopPage page = watch.look();
    page.has_keys = true;
    // A key or another size of the window shows the same look anew. Shown and asked for keys once
    // at least, however short the interval is.
    for (auto now = Clock::now();; now = Clock::now()) {
      page.order = order;
      sort_rows(page.rows, order);
      screen.show(top_text(page, terminal_size(), true, wants_color()));
      const std::chrono::duration<double> left = next_look - now;
      const std::optional<char> key = screen.wait_for_key(left.count());
      if (key == 'q' || key == 'Q') return kDone;
      if (key) choose_order(*key, order);
      if (interrupted() || Clock::now() >= next_look) break;
    }
  }
  return kDone;
}

int show(const Options& options) {
  RingWatch watch;
  if (options.once) return show_once(options, watch);
  if (options.json) return print_lines(options, watch);
  if (!is_terminal(1)) {
    throw Failure(kWrongUsage,
                  "standard output is no terminal; take one look with: ipc0cp top "
                  "--once, or one after the other with: ipc0cp top --json");
  }
  if (!has_pages()) {
    throw Failure(kWrongUsage,
                  "this terminal shows one line after the other (TERM=dumb); take one look with: "
                  "ipc0cp top --once");
  }
  return show_live(options, watch);
}

}  // namespace

std::function<int()> prepare_top(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.flag("--once", options->once, "One look, and no page of its own");
  arguments.flag("-j,--json", options->json, "As JSON, one value in each line");
  arguments.seconds("-i,--interval", options->interval, "Time between two looks, else 1");
  return [options] { return show(*options); };
}

}  // namespace ipc0cp::cli
