// SPDX-License-Identifier: Apache-2.0
// The daemon of iceoryx, iox-roudi, for the time of one scenario: the endpoint that comes first
// starts it with memory for this scenario, and ends it when all others have left.
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <string>
#include <thread>

#include "shared_object.hpp"
#include "transport.hpp"

namespace bench {

class IceoryxDaemon {
 public:
  /// Registers this process, once. Both ends of a ping-pong share it.
  static void join(const Link& link, std::size_t chunks) {
    // Made before the runtime, which is a static object too, and so destroyed after it.
    static IceoryxDaemon daemon(link, chunks);
    if (daemon.is_registered_) return;
    daemon.is_registered_ = true;
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(
        iox::log::LogLevel::kError, iox::log::LogLevelOutput::kHideLogLevel);
    const std::string name = "bench-" + std::to_string(getpid());
    iox::runtime::PoshRuntime::initRuntime(
        iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name.c_str()));
    daemon.expect_running();
  }

  IceoryxDaemon(const IceoryxDaemon&) = delete;
  IceoryxDaemon& operator=(const IceoryxDaemon&) = delete;

 private:
  /// All zeros: nobody is here.
  struct Presence {
    std::atomic<bool> is_started;
    std::atomic<std::uint32_t> came;
    std::atomic<std::uint32_t> left;
  };

  IceoryxDaemon(const Link& link, std::size_t chunks)
      : presence_(link.scenario + "-roudi"),
        configuration_(std::filesystem::temp_directory_path() /
                       ("bench-" + link.scenario + ".toml")) {
    presence_->came.fetch_add(1);
    if (presence_->is_started.exchange(true)) return;
    std::ofstream(configuration_) << "[general]\nversion = 1\n[[segment]]\n[[segment.mempool]]\n"
                                  << "size = " << chunk_bytes(link) << "\n"
                                  << "count = " << chunks << "\n";
    start();
  }
  ~IceoryxDaemon() {
    presence_->left.fetch_add(1);
    if (process_ <= 0) return;
    // Those that it still knows would get a signal from it.
    while (presence_->left.load() < presence_->came.load()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(process_, SIGTERM);
    waitpid(process_, nullptr, 0);
    std::filesystem::remove(configuration_);
  }

  /// With room for the alignment of the message behind the header of the chunk.
  static std::size_t chunk_bytes(const Link& link) { return (link.max_bytes + 63) / 64 * 64 + 64; }

  void start() {
    process_ = fork();
    if (process_ < 0) throw_errno("cannot fork");
    if (process_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    // Standard output belongs to the answer of the endpoint; the daemon chats on both.
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execl(BENCH_IOX_ROUDI, "iox-roudi", "-m", "off", "-l", "error", "-c", configuration_.c_str(),
          nullptr);
    _exit(127);
  }

  void expect_running() {
    if (process_ <= 0 || waitpid(process_, nullptr, WNOHANG) == 0) return;
    process_ = -1;
    throw Unavailable("iox-roudi has ended; there can be one on a machine");
  }

  SharedObject<Presence> presence_;
  std::filesystem::path configuration_;
  pid_t process_ = -1;
  bool is_registered_ = false;
};

}  // namespace bench
