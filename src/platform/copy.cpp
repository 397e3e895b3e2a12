// SPDX-License-Identifier: Apache-2.0
#include "platform/copy.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "ipc0cp/copy.hpp"
#include "ipc0cp/error.hpp"
#include "platform/log.hpp"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ipc0cp {
namespace platform {
namespace {

constexpr std::size_t kMebi = std::size_t{1} << 20U;
constexpr std::size_t kSmallestForced = 4096;
constexpr const char* kCopyVariable = "IPC0CP_COPY";

#if defined(__x86_64__)

/// What is fetched ahead of the copy: about the time a line takes from memory.
constexpr std::size_t kAhead = 1024;
constexpr std::size_t kLine = 64;
constexpr std::size_t kWord = 32;
constexpr std::size_t kStep = 4 * kWord;

bool can_stream() noexcept { return __builtin_cpu_supports("avx2") != 0; }

[[gnu::target("avx2")]] void stream(std::byte* target, const std::byte* source,
                                    std::size_t bytes) noexcept {
  // Streaming stores need an aligned target.
  const std::size_t head =
      std::min(bytes, (kWord - reinterpret_cast<std::uintptr_t>(target) % kWord) % kWord);
  std::memcpy(target, source, head);
  std::size_t at = head;
  for (; bytes - at >= kStep; at += kStep) {
    // A prefetch of what is not there does nothing.
    _mm_prefetch(reinterpret_cast<const char*>(source) + at + kAhead, _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(source) + at + kAhead + kLine, _MM_HINT_T0);
    const auto* from = reinterpret_cast<const __m256i*>(source + at);
    auto* to = reinterpret_cast<__m256i*>(target + at);
    const __m256i first = _mm256_loadu_si256(from);
    const __m256i second = _mm256_loadu_si256(from + 1);
    const __m256i third = _mm256_loadu_si256(from + 2);
    const __m256i fourth = _mm256_loadu_si256(from + 3);
    _mm256_stream_si256(to, first);
    _mm256_stream_si256(to + 1, second);
    _mm256_stream_si256(to + 2, third);
    _mm256_stream_si256(to + 3, fourth);
  }
  _mm_sfence();  // A release store orders ordinary stores only.
  std::memcpy(target + at, source + at, bytes - at);
}

void rep_movsb(std::byte* target, const std::byte* source, std::size_t bytes) noexcept {
  asm volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(bytes) : : "memory");
  _mm_sfence();  // The processor may have chosen stores past the cache.
}

#else

bool can_stream() noexcept { return false; }
void stream(std::byte* target, const std::byte* source, std::size_t bytes) noexcept {
  std::memcpy(target, source, bytes);
}
void rep_movsb(std::byte* target, const std::byte* source, std::size_t bytes) noexcept {
  std::memcpy(target, source, bytes);
}

#endif

CopyRule rule_of_size(std::size_t cache_bytes) {
  constexpr std::size_t kUsualCache = 32 * kMebi;
  constexpr std::size_t kUntil = 96 * kMebi;
  if (!can_stream()) return {};
  const std::size_t cache = cache_bytes == 0 ? kUsualCache : cache_bytes;
  return {CopyKind::stream, std::clamp(cache / 2, 8 * kMebi, 64 * kMebi), kUntil};
}

/// As the kernel tells it, "32768K"; the C library's figure is that of a whole socket on some
/// virtual machines (384 MiB where a processor has 32).
std::size_t last_cache_bytes() noexcept {
  std::size_t kibi = 0;
  try {
    std::ifstream("/sys/devices/system/cpu/cpu0/cache/index3/size") >> kibi;
  } catch (const std::exception&) {
    kibi = 0;  // Not known.
  }
  return kibi * 1024;
}

CopyRule read_rule() noexcept {
  try {
    const char* forced = std::getenv(kCopyVariable);
    return copy_rule(forced == nullptr ? "" : forced, last_cache_bytes());
  } catch (const std::exception&) {
    return {};  // No memory for a text; memcpy does.
  }
}

// Read when the library is loaded, not at the first copy: a thread that is in the middle of that
// while another one forks would leave the child waiting for it. Until then copies are memcpy.
const CopyRule g_rule = read_rule();

}  // namespace

CopyRule copy_rule(std::string_view forced, std::size_t cache_bytes) {
  if (forced.empty() || forced == "auto") return rule_of_size(cache_bytes);
  if (forced == "memcpy") return {};
  if (forced == "stream" && can_stream()) {
    return {CopyKind::stream, kSmallestForced, SIZE_MAX};
  }
#if defined(__x86_64__)
  if (forced == "rep_movsb") return {CopyKind::rep_movsb, kSmallestForced, SIZE_MAX};
#endif
  const bool known = forced == "stream" || forced == "rep_movsb";
  log(LogLevel::warning, std::string(kCopyVariable) + "=" + std::string(forced.substr(0, 40)) +
                             (known ? " is not possible on this processor" : " is unknown") +
                             ", so payloads are copied as without it; possible are auto, memcpy" +
                             (can_stream() ? ", stream" : "") +
#if defined(__x86_64__)
                             ", rep_movsb"
#else
                             ""
#endif
  );
  return rule_of_size(cache_bytes);
}

const CopyRule& copy_rule() noexcept { return g_rule; }

void copy_by(CopyKind kind, std::byte* target, const std::byte* source,
             std::size_t bytes) noexcept {
  switch (kind) {
    case CopyKind::stream:
      return stream(target, source, bytes);
    case CopyKind::rep_movsb:
      return rep_movsb(target, source, bytes);
    case CopyKind::memcpy:
      std::memcpy(target, source, bytes);
  }
}

}  // namespace platform

void copy_payload(std::span<std::byte> target, std::span<const std::byte> source) {
  if (source.size() > target.size()) {
    throw Error(ErrorCode::invalid_argument,
                "copy_payload: the source has " + std::to_string(source.size()) +
                    " bytes, the target room for " + std::to_string(target.size()));
  }
  platform::copy(target.data(), source.data(), source.size());
}

}  // namespace ipc0cp
