// SPDX-License-Identifier: Apache-2.0
// native = kernel = slow oracle, for every small total and stride and for large ones.
#include "vsplit/split.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "split_kernel.skel.h"

namespace vsplit::testing {
namespace {

constexpr std::uint32_t kNumbers = 256;

// The positions of a whole block, by nothing but additions.
std::vector<std::uint32_t> SlowBlock(std::uint64_t block, std::uint32_t total, std::uint32_t stride,
                                     std::uint32_t seed) {
  const unsigned __int128 rotation =
      (static_cast<unsigned __int128>(split_hash(block + (std::uint64_t{seed} << 32))) * total) >>
      32;
  std::vector<std::uint32_t> positions;
  auto position = static_cast<std::uint64_t>(rotation);
  for (std::uint32_t place = 0; place < total; ++place) {
    positions.push_back(static_cast<std::uint32_t>(position));
    position += stride;
    while (position >= total) {
      position -= total;
    }
  }
  return positions;
}

class SplitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    skeleton_.reset(split_kernel::open_and_load());
    ASSERT_NE(skeleton_, nullptr);
  }

  // Runs the kernel's code for 256 numbers, and compares all of it with the native one.
  void Compare(std::uint64_t first, std::uint32_t total, std::uint32_t stride, std::uint32_t seed) {
    auto& run = skeleton_->bss->run;
    run.first = first;
    run.total = total;
    run.stride = stride;
    run.seed = seed;
    run.count = 2 + total % 7;
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.split_run), &options), 0);
    for (std::uint32_t i = 0; i < kNumbers; ++i) {
      const std::uint32_t position = split_position(first + i, total, stride, seed);
      ASSERT_EQ(run.positions[i], position) << first + i << " of " << total;
      ASSERT_EQ(run.seconds[i], split_second(i % run.count, position * 0x9e3779b9U, run.count));
      ASSERT_NE(run.seconds[i], i % run.count);
      ASSERT_LT(run.seconds[i], run.count);
      ASSERT_EQ(run.places[i],
                frontend_place(first, first + i, static_cast<std::uint16_t>(i), total - 1));
      ASSERT_EQ(run.healths[i], split_health(i, total));
      ASSERT_EQ(run.weights[i], split_group_weight(stride, i, total));
      ASSERT_EQ(run.fewer[i], static_cast<std::uint32_t>(split_fewer(position, i, total, stride)));
      ASSERT_EQ(run.warmups[i], split_warmup(i, 100, i, total, 15));
      ASSERT_EQ(run.backoffs[i], split_backoff(i, first, total));
      ASSERT_EQ(run.draws[i], split_modulo(first * (i + 1), total));
    }
  }

  struct Destroy {
    void operator()(split_kernel* skeleton) const { split_kernel::destroy(skeleton); }
  };
  std::unique_ptr<split_kernel, Destroy> skeleton_;
};

TEST_F(SplitTest, KernelAndNativeAgreeForEverySmallTotalAndStride) {
  for (std::uint32_t total = 1; total <= 40; ++total) {
    for (std::uint32_t stride = 1; stride <= total; ++stride) {
      if (std::gcd(total, stride) == 1) {
        Compare(std::uint64_t{total} * 1000, total, stride, total * 31 + stride);
      }
    }
  }
}

TEST_F(SplitTest, KernelAndNativeAgreeForLargeOnes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 400; ++i) {
    const auto total = static_cast<std::uint32_t>(random() | 1U);
    Compare(random(), total, static_cast<std::uint32_t>(random() % total),
            static_cast<std::uint32_t>(random()));
  }
}

TEST(SplitOracleTest, EveryBlockIsWhatAdditionsGive) {
  for (std::uint32_t total = 1; total <= 60; ++total) {
    for (std::uint32_t stride = 1; stride <= total; ++stride) {
      if (std::gcd(total, stride) != 1) {
        continue;
      }
      for (const std::uint64_t block : {0ULL, 1ULL, 7ULL, 1ULL << 40U}) {
        const std::vector<std::uint32_t> slow = SlowBlock(block, total, stride, 5);
        for (std::uint32_t place = 0; place < total; ++place) {
          ASSERT_EQ(split_position(block * total + place, total, stride, 5), slow[place]);
        }
        ASSERT_EQ(std::set<std::uint32_t>(slow.begin(), slow.end()).size(), total);
      }
    }
  }
}

// Envoy's arithmetic, in its own words: with floating point where it uses that.

TEST(SplitOracleTest, LevelHealthIsTheGreatestPercentageThatTheHealthyOnesCarry) {
  for (std::uint32_t endpoints = 1; endpoints <= 120; ++endpoints) {
    for (std::uint32_t healthy = 0; healthy <= endpoints; ++healthy) {
      std::uint32_t percent = 0;
      while (percent < 100 && (percent + 1) * endpoints <= 140 * healthy) {
        ++percent;
      }
      ASSERT_EQ(split_health(healthy, endpoints), percent) << healthy << " of " << endpoints;
    }
  }
  EXPECT_EQ(split_health(0, 0), 0U);
  EXPECT_EQ(split_health(4'000'000'000, 4'000'000'000), 100U);
}

TEST(SplitOracleTest, LoadsOfHealthyLevelsLeaveLessThanOnePercentEach) {
  std::mt19937 random(2);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::uint32_t> healths(1 + random() % 6);
    for (std::uint32_t& health : healths) {
      health = static_cast<std::uint32_t>(random() % 101);
    }
    const std::uint32_t sum = std::min(100U, std::accumulate(healths.begin(), healths.end(), 0U));
    if (sum == 0) {
      continue;
    }
    std::uint32_t left = 100;
    for (const std::uint32_t health : healths) {
      left -= std::min(left, split_load(health, sum));
    }
    ASSERT_LT(left, healths.size());
  }
}

TEST(SplitOracleTest, PanicAndEjectionAreDecidedAsWithFloatingPoint) {
  for (std::uint32_t all = 1; all <= 60; ++all) {
    for (std::uint32_t some = 0; some < all; ++some) {
      for (std::uint32_t percent = 0; percent <= 100; ++percent) {
        ASSERT_EQ(split_panics(some, all, percent) != 0, 100.0 * some / all < percent)
            << some << " of " << all << ", " << percent;
        ASSERT_EQ(split_may_eject(some, all, percent) != 0, 100.0 * (some + 1) / all <= percent)
            << some << " of " << all << ", " << percent;
      }
    }
  }
  EXPECT_TRUE(split_panics(0, 0, 1));
  EXPECT_FALSE(split_panics(0, 0, 0));
}

TEST(SplitOracleTest, GroupWeightShrinksWithHealthBelowOneOf1Point4) {
  for (std::uint32_t endpoints = 1; endpoints <= 60; ++endpoints) {
    for (std::uint32_t healthy = 0; healthy <= endpoints; ++healthy) {
      for (const std::uint32_t weight : {1U, 7U, 1'000'000U}) {
        const double expected = weight * 100.0 * std::min(1.0, 1.4 * healthy / endpoints);
        ASSERT_NEAR(static_cast<double>(split_group_weight(weight, healthy, endpoints)), expected,
                    1.0);
      }
    }
  }
  EXPECT_EQ(split_group_weight(5, 0, 0), 0U);
}

TEST(SplitOracleTest, WarmupIsTheStraightLineBetweenTwoSteps) {
  constexpr std::uint32_t kSteps = 15;
  const std::array<std::uint32_t, kSteps + 1> table{10, 12, 15, 19, 24, 30, 37, 44,
                                                    51, 58, 65, 72, 79, 86, 93, 100};
  for (const std::uint32_t duration : {1U, 14U, 15U, 1000U, 86'400'000U}) {
    for (std::uint32_t part = 0; part < 500; ++part) {
      const auto age = static_cast<std::uint32_t>(std::uint64_t{duration} * part / 500);
      const std::uint32_t step = split_warmup_step(age, duration, kSteps);
      ASSERT_LT(step, kSteps);
      const double place = static_cast<double>(age) * kSteps / duration;
      const double expected = table[step] + (table[step + 1] - table[step]) * (place - step);
      ASSERT_NEAR(split_warmup(table[step], table[step + 1], age, duration, kSteps), expected, 1.0);
    }
  }
}

TEST(SplitOracleTest, EjectionsCountDownByOnePerIntervalAndEndAtTheMaximum) {
  for (std::uint32_t before = 0; before < 12; ++before) {
    for (std::uint64_t since = 0; since < 100; since += 3) {
      std::uint32_t left = before;
      for (std::uint64_t passed = 10; passed <= since && left > 0; passed += 10) {
        --left;
      }
      ASSERT_EQ(split_backoff(before, since, 10), left + 1);
    }
  }
  EXPECT_EQ(split_backoff(3, 1'000'000, 0), 4U);  // no interval, nothing is forgotten
  EXPECT_EQ(split_ejection_ms(30'000, 300'000, 1), 30'000U);
  EXPECT_EQ(split_ejection_ms(30'000, 300'000, 9), 270'000U);
  EXPECT_EQ(split_ejection_ms(30'000, 300'000, 4'000'000'000), 300'000U);
}

TEST(SplitOracleTest, FewerConnectionsPerWeightWin) {
  EXPECT_TRUE(split_fewer(0, 1, 0, 9));
  EXPECT_TRUE(split_fewer(9, 9, 1, 1));
  EXPECT_FALSE(split_fewer(10, 9, 1, 1));
  EXPECT_TRUE(split_fewer(4'000'000'000, 4'000'000'000, 1, 1));
}

}  // namespace
}  // namespace vsplit::testing
