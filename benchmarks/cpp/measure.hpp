// SPDX-License-Identifier: Apache-2.0
// What all benchmark programs share: clocks, cores, a second process, one line of JSON per figure.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Of this thread: for loops that wait for nobody, so that other work on the core does not count.
inline std::int64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Of this process, user and system together.
inline double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// One core per process: a scheduler that moves them would be measured too. Does nothing on a
/// machine with fewer cores. To be called after a handle is opened, which counts the processors
/// that it may run on.
inline void pin_to_core(unsigned core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

/// The value below which `fraction` of all values lie. Reorders `values`.
template <class Value>
double percentile(std::vector<Value>& values, double fraction) {
  if (values.empty()) throw std::runtime_error("no values");
  const auto position = static_cast<std::size_t>(fraction * static_cast<double>(values.size() - 1));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(position);
  std::nth_element(values.begin(), nth, values.end());
  return static_cast<double>(*nth);
}
inline double median(std::vector<double>& values) { return percentile(values, 0.5); }

using Figures = std::vector<std::pair<std::string, double>>;

/// The answer of a program: one line of JSON, every key naming its unit.
inline void print_figures(const Figures& figures) {
  const char* separator = "{";
  for (const auto& [name, value] : figures) {
    std::printf("%s\"%s\": %.9g", separator, name.c_str(), value);
    separator = ", ";
  }
  std::printf("}\n");
}

inline std::string ring_name(std::string_view purpose) {
  return "bench-" + std::string(purpose) + "-" + std::to_string(getpid());
}

/// This program once more, in a process of its own; what it writes to `kAnswer` can be read here.
class Child {
 public:
  static constexpr int kAnswer = 3;  ///< The descriptor in the child.

  /// @param keep a descriptor that the child gets as its standard input, or -1.
  explicit Child(const std::vector<std::string>& arguments, int keep = -1) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    process_ = fork();
    if (process_ < 0) throw std::runtime_error("fork failed");
    if (process_ == 0) {
      std::vector<char*> words{const_cast<char*>("benchmark")};
      for (const auto& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
      words.push_back(nullptr);
      if (keep >= 0) dup2(keep, STDIN_FILENO);
      // dup2 of a descriptor onto itself would leave it to be closed by exec.
      if (ends[1] == kAnswer) {
        fcntl(kAnswer, F_SETFD, 0);
      } else {
        dup2(ends[1], kAnswer);
      }
      execv("/proc/self/exe", words.data());
      _exit(127);
    }
    close(ends[1]);
    answer_ = ends[0];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (process_ > 0) waitpid(process_, nullptr, 0);
    close(answer_);
  }

  /// Blocks until the child has answered and ended. @throws if it failed.
  template <class Answer>
  Answer wait() {
    Answer answer{};
    const bool whole = read(answer_, &answer, sizeof answer) == sizeof answer;
    int status = 0;
    waitpid(std::exchange(process_, -1), &status, 0);
    if (!whole || status != 0) throw std::runtime_error("the second process failed");
    return answer;
  }
  template <class Answer>
  static void answer(const Answer& answer) {
    if (write(kAnswer, &answer, sizeof answer) != sizeof answer) _exit(1);
  }

 private:
  pid_t process_ = -1;
  int answer_ = -1;
};

}  // namespace bench
