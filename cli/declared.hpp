// SPDX-License-Identifier: Apache-2.0
// The commands, each in the file run_NAME.cpp.
#pragma once

#include <functional>

#include "arguments.hpp"

namespace ipc0cp::cli {

std::function<int()> prepare_bench(Arguments& arguments);
std::function<int()> prepare_doctor(Arguments& arguments);
std::function<int()> prepare_ls(Arguments& arguments);
std::function<int()> prepare_record(Arguments& arguments);
std::function<int()> prepare_recv(Arguments& arguments);
std::function<int()> prepare_replay(Arguments& arguments);
std::function<int()> prepare_rm(Arguments& arguments);
std::function<int()> prepare_send(Arguments& arguments);
std::function<int()> prepare_serve(Arguments& arguments);
std::function<int()> prepare_stat(Arguments& arguments);
std::function<int()> prepare_tap(Arguments& arguments);
std::function<int()> prepare_top(Arguments& arguments);

}  // namespace ipc0cp::cli
