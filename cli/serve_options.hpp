// SPDX-License-Identifier: Apache-2.0
// Where the page of `ipc0cp serve` is: declared once for `ipc0cp` and for `ipc0cp-serve`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"

namespace ipc0cp::cli {

struct ServeOptions {
  std::optional<std::uint64_t> port;
  std::string address = "127.0.0.1";
};

void declare(Arguments& arguments, ServeOptions& options);
/// Replaces "localhost" by its address.
/// @throws Failure wrong usage: no such port or address.
void check(ServeOptions& options);
/// 8765, unless another one was asked for; 0: any that is free.
int port_of(const ServeOptions& options) noexcept;
/// The same options as words of a command line.
std::vector<std::string> to_words(const ServeOptions& options);

/// 127.0.0.1, 10.0.0.7, ::1, without brackets.
bool is_address(const std::string& text) noexcept;
/// Whether only processes of this machine reach the address.
bool is_loopback(const std::string& address) noexcept;
/// Whether a request may come under this name. The header `Host` has to name an address or
/// localhost: a page from elsewhere whose name was made to point here (DNS rebinding) has another.
bool may_be_asked_as(std::string_view host_header) noexcept;

}  // namespace ipc0cp::cli
