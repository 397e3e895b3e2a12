// SPDX-License-Identifier: Apache-2.0
#include "serve_options.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "failure.hpp"

namespace ipc0cp::cli {
namespace {

constexpr int kFirstPort = 8765;
constexpr std::uint64_t kMostPorts = 65535;

bool is_version_4(const std::string& text, in_addr& address) noexcept {
  return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_version_6(const std::string& text, in6_addr& address) noexcept {
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

}  // namespace

void declare(Arguments& arguments, ServeOptions& options) {
  arguments.number("-p,--port", options.port, "Port of the page, else 8765; 0 takes a free one");
  arguments.text("-b,--bind", options.address, "ADDRESS",
                 "Address of this machine at which others may reach the page, else 127.0.0.1");
}

void check(ServeOptions& options) {
  if (options.port.value_or(0) > kMostPorts) {
    throw Failure(kWrongUsage, "there is no port " + std::to_string(*options.port) +
                                   "; ports are 1 to 65535, and 0 takes a free one");
  }
  if (options.address == "localhost") options.address = "127.0.0.1";
  if (!is_address(options.address)) {
    throw Failure(kWrongUsage, "'" + options.address +
                                   "' is no address; write 127.0.0.1, ::1, an address that `ip "
                                   "address` shows, or 0.0.0.0 for all of them");
  }
}

int port_of(const ServeOptions& options) noexcept {
  return options.port ? static_cast<int>(*options.port) : kFirstPort;
}

std::vector<std::string> to_words(const ServeOptions& options) {
  return {"--port", std::to_string(port_of(options)), "--bind", options.address};
}

bool is_address(const std::string& text) noexcept {
  in_addr version_4;
  in6_addr version_6;
  return is_version_4(text, version_4) || is_version_6(text, version_6);
}

bool is_loopback(const std::string& address) noexcept {
  in_addr version_4;
  if (is_version_4(address, version_4)) return ntohl(version_4.s_addr) >> 24U == 127;
  in6_addr version_6;
  return is_version_6(address, version_6) && IN6_IS_ADDR_LOOPBACK(&version_6);
}

bool may_be_asked_as(std::string_view host_header) noexcept {
  std::string_view host = host_header;
  // The port may be another one: `ssh -L 9000:localhost:8765` is a good way to get here.
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
    if (!std::count(host.begin(), host.end(), ':')) return false;
  } else {
    const std::size_t end = std::min(host.find(':'), host.size());
    port = host.substr(end);
    host = host.substr(0, end);
  }
  const auto is_digit = [](char character) { return character >= '0' && character <= '9'; };
  if (!port.empty() && (port[0] != ':' || !std::all_of(port.begin() + 1, port.end(), is_digit))) {
    return false;
  }
  constexpr std::size_t kLongest = 64;
  if (host.empty() || host.size() > kLongest) return false;
  return (host.size() == 9 && strncasecmp(host.data(), "localhost", 9) == 0) ||
         is_address(std::string(host));
}

}  // namespace ipc0cp::cli
