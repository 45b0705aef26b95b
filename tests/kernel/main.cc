// SPDX-License-Identifier: Apache-2.0
// Kernel tests fail with one clear line on a machine that cannot run them; they are never skipped.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "pods.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!::testing::GTEST_FLAG(list_tests)) {
    const std::string missing = vsplit::testing::MissingForKernelTests();
    if (!missing.empty()) {
      std::fprintf(stderr, "%s\n", missing.c_str());
      return 1;
    }
  }
  return RUN_ALL_TESTS();
}
