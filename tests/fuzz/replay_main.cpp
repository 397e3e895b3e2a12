// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: each input of the corpus as it is, then variations of them.
// Takes libFuzzer's options that ctest uses: `fuzz_x [-runs=N] [-seed=N] FILE|DIRECTORY...`
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
// Of the sanitizers, where the program is built with them.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

using Input = std::vector<std::uint8_t>;

constexpr unsigned kSecondsPerInput = 60;
/// The input that runs now, for whoever handles the end of the program.
const Input* running = nullptr;

/// Calls only what a signal handler may call.
void save_running_input() {
  if (running == nullptr) return;
  constexpr std::string_view kPath = "crash-input";
  const int file = open(kPath.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool saved = file >= 0 && write(file, running->data(), running->size()) ==
                                      static_cast<ssize_t>(running->size());
  constexpr std::string_view kSaved = "the input that failed is in the file crash-input\n";
  constexpr std::string_view kNotSaved = "the input that failed cannot be written\n";
  const std::string_view text = saved ? kSaved : kNotSaved;
  if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

extern "C" void on_signal(int number) {
  save_running_input();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

void run(const Input& input) {
  // In memory of exactly its size, so that sanitizers see a read past its end.
  const Input exact(input.begin(), input.end());
  running = &exact;
  alarm(kSecondsPerInput);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  alarm(0);
  running = nullptr;
}

std::vector<Input> read_inputs(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::string& path : paths) {
    if (!std::filesystem::is_directory(path)) {
      files.emplace_back(path);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());  // The same seed means the same run.
  std::vector<Input> inputs;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      std::exit(2);
    }
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

/// Makes new inputs of old ones, a few changes at a time.
class Variation {
 public:
  Variation(const std::vector<Input>& inputs, std::uint64_t seed)
      : inputs_(inputs), random_(seed) {}

  Input next() {
    Input input = inputs_[below(inputs_.size())];
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  void change(Input& input) {
    constexpr std::string_view kLikely = "{}[]\",:0123456789-.<>|\\\0\xFF\x80\xC3";
    const std::size_t at = below(input.size() + 1);
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t some = below(std::min<std::size_t>(input.size() - at, 16) + 1);
    switch (below(6)) {
      case 0:
        if (at < input.size()) input[at] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:
        if (at < input.size())
          input[at] = static_cast<std::uint8_t>(kLikely[below(kLikely.size())]);
        break;
      case 2:
        input.insert(place, static_cast<std::uint8_t>(random_()));
        break;
      case 3:
        input.erase(place, place + static_cast<std::ptrdiff_t>(some));
        break;
      case 4: {
        const Input copy(place, place + static_cast<std::ptrdiff_t>(some));
        const auto target = static_cast<std::ptrdiff_t>(below(input.size() + 1));
        input.insert(input.begin() + target, copy.begin(), copy.end());
        break;
      }
      default: {
        // The beginning of this one and the end of another.
        const Input& other = inputs_[below(inputs_.size())];
        input.resize(at);
        const auto from = static_cast<std::ptrdiff_t>(below(other.size() + 1));
        input.insert(input.end(), other.begin() + from, other.end());
      }
    }
  }

  const std::vector<Input>& inputs_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int count, char** arguments) {
  std::size_t runs = 0;
  std::uint64_t seed = std::random_device{}();
  std::vector<std::string> paths;
  for (const std::string& argument : std::vector<std::string>(arguments + 1, arguments + count)) {
    if (argument.starts_with("-runs=")) {
      runs = std::stoull(argument.substr(6));
    } else if (argument.starts_with("-seed=")) {
      seed = std::stoull(argument.substr(6));
    } else {
      paths.push_back(argument);
    }
  }
  const std::vector<Input> inputs = read_inputs(paths);
  if (inputs.empty()) {
    std::fprintf(stderr, "usage: %s [-runs=N] [-seed=N] FILE|DIRECTORY...; no input found\n",
                 arguments[0]);
    return 2;
  }
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) {
    std::signal(number, on_signal);
  }
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(save_running_input);
  }
  for (const Input& input : inputs) run(input);
  std::printf("%zu inputs, then %zu variations with -seed=%llu\n", inputs.size(), runs,
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  Variation variation(inputs, seed);
  for (std::size_t index = 0; index < runs; ++index) run(variation.next());
}
