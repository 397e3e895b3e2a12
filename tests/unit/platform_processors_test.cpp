// SPDX-License-Identifier: Apache-2.0
// How many processors there are to run on, under quotas read from trees of files as the kernel
// shows them.
#include "platform/processors.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include "unit/group_files.hpp"

namespace ipc0cp::platform {
namespace {

using testing::GroupFilesTest;

class ProcessorsTest : public GroupFilesTest {
 protected:
  [[nodiscard]] bool rationed() const { return processors(files()).rationed; }
};

TEST_F(ProcessorsTest, ThoseThatThisProcessMayRunOn) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  const unsigned all = processors(files()).count;
  EXPECT_EQ(all, static_cast<unsigned>(CPU_COUNT(&before)));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(current_processor() - 1, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(current_processor(), static_cast<std::uint32_t>(sched_getcpu()) + 1);
  EXPECT_GE(processors(files()).count, all) << "the peers are on others";
  sched_setaffinity(0, sizeof before, &before);
}

TEST_F(ProcessorsTest, AQuotaOfLessThanTwo) {
  write("groups", "0::/pod/job");
  write("pod/cpu.max", "max 100000");
  write("pod/job/cpu.max", "190000 100000");
  EXPECT_TRUE(rationed());
  write("pod/job/cpu.max", "20000 100000");
  EXPECT_TRUE(rationed());
  for (const char* enough : {"200000 100000", "max 100000"}) {
    write("pod/job/cpu.max", enough);
    EXPECT_FALSE(rationed()) << enough;
  }
}

TEST_F(ProcessorsTest, TheTightestQuotaOfAllGroupsAbove) {
  write("groups", "0::/pod/job");
  write("pod/cpu.max", "100000 100000");
  write("pod/job/cpu.max", "6400000 100000");
  EXPECT_TRUE(rationed());
}

/// As of a mask of so many: ten processes that spin on 64 processors use up a quota of three.
TEST_F(ProcessorsTest, AQuotaIsSoManyProcessors) {
  const auto count_of_64 = [&] {
    Processors found{.count = 64};
    heed_quotas(files(), found);
    return found.count;
  };
  write("groups", "0::/pod/job");
  write("pod/cpu.max", "800000 100000");
  write("pod/job/cpu.max", "max 100000");
  EXPECT_EQ(count_of_64(), 8U);
  write("pod/job/cpu.max", "390000 100000");
  EXPECT_EQ(count_of_64(), 3U) << "the tightest, rounded down";
  write("pod/job/cpu.max", "50000 100000");
  EXPECT_EQ(count_of_64(), 8U) << "less than two is told by itself";
  EXPECT_TRUE(rationed());
  write("pod/job/cpu.max", "9223372036854775807 1");
  write("pod/cpu.max", "9223372036854775807 1");
  EXPECT_EQ(count_of_64(), 64U);
}

TEST_F(ProcessorsTest, Version1) {
  write("groups", "4:memory:/other\n1:cpu,cpuacct:/job\n");
  write("cpu/cpu.cfs_quota_us", "-1");
  write("cpu/cpu.cfs_period_us", "100000");
  EXPECT_FALSE(rationed());
  write("cpu/job/cpu.cfs_quota_us", "50000");
  write("cpu/job/cpu.cfs_period_us", "50000");
  EXPECT_TRUE(rationed());
}

TEST_F(ProcessorsTest, WhatCannotBeReadIsNoQuota) {
  write("groups", "0::/job");
  write("job/cpu.max", "many");
  EXPECT_FALSE(rationed());
}

}  // namespace
}  // namespace ipc0cp::platform
