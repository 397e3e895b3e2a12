// SPDX-License-Identifier: Apache-2.0
// Memory limits of groups (cgroups), read from trees of files as the kernel shows them.
#include "platform/memory_limit.hpp"

#include <gtest/gtest.h>

#include "unit/group_files.hpp"

namespace ipc0cp::platform {
namespace {

class MemoryLimitTest : public testing::GroupFilesTest {
 protected:
  [[nodiscard]] MemoryLimit read() const { return memory_limit(files()); }
};

TEST_F(MemoryLimitTest, NoneWhereNothingCanBeRead) {
  EXPECT_EQ(read().limit_bytes, UINT64_MAX);
  write("groups", "0::/job");
  write("job/memory.max", "max");
  write("job/memory.current", "1000");
  EXPECT_EQ(read().room_bytes, UINT64_MAX);
}

TEST_F(MemoryLimitTest, TheTightestOfAllGroupsAbove) {
  write("groups", "0::/pod/job");
  write("pod/memory.max", "5000000");
  write("pod/memory.current", "1000000");
  write("pod/memory.swap.max", "0");
  write("pod/job/memory.max", "90000000");
  write("pod/job/memory.current", "500000");
  write("pod/job/memory.swap.max", "0");
  const MemoryLimit limit = read();
  EXPECT_EQ(limit.limit_bytes, 5'000'000U);
  EXPECT_EQ(limit.room_bytes, 4'000'000U);
  EXPECT_EQ(limit.file, root_ / "pod/memory.max");
}

TEST_F(MemoryLimitTest, PageCacheIsRoomAndSharedMemoryIsNot) {
  write("groups", "0::/job");
  write("job/memory.max", "1000000");
  write("job/memory.current", "900000");
  write("job/memory.swap.max", "0");
  write("job/memory.stat", "anon 100000\nshmem 500000\nactive_file 200000\ninactive_file 100000");
  EXPECT_EQ(read().room_bytes, 400'000U);
}

TEST_F(MemoryLimitTest, Version1) {
  write("groups", "5:cpu,cpuacct:/other\n4:hugetlb,memory:/job\n");
  write("memory/memory.limit_in_bytes", "9223372036854771712");
  write("memory/memory.usage_in_bytes", "1");
  write("memory/job/memory.limit_in_bytes", "2000000");
  write("memory/job/memory.usage_in_bytes", "2500000");
  write("memory/job/memory.swap.max", "0");
  EXPECT_EQ(read().limit_bytes, 2'000'000U);
  EXPECT_EQ(read().room_bytes, 0U);
}

}  // namespace
}  // namespace ipc0cp::platform
