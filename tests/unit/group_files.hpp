// SPDX-License-Identifier: Apache-2.0
// A tree of control groups (cgroups) in files of the test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "platform/control_groups.hpp"

namespace ipc0cp::testing {

class GroupFilesTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << '\n';
  }
  [[nodiscard]] platform::GroupFiles files() const { return {root_ / "groups", root_}; }

  std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("ipc0cp-groups-" + std::to_string(getpid()));
};

}  // namespace ipc0cp::testing
