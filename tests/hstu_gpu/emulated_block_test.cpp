#include "hstu/gpu/emulated_block.hpp"

#include "support/catch.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace hstu::gpu;

// A kernel of one's own function: f(block).
template <class F, std::uint32_t Threads>
struct plain_kernel
{
  static constexpr std::uint32_t threads = Threads;
  static constexpr std::uint32_t blocks_per_sm = 1;
  F f;
  std::uint32_t grid = 1;
  std::uint32_t bytes = 0;

  std::uint32_t blocks() const { return grid; }
  std::uint32_t shared_bytes() const { return bytes; }
  template <class Block>
  void operator()(Block& block) const
  {
    f(block);
  }
};

template <std::uint32_t Threads, class F>
void run(std::uint32_t blocks, std::uint32_t shared_bytes, F f)
{
  run_emulated(plain_kernel<F, Threads>{f, blocks, shared_bytes});
}

template <std::uint32_t Threads, class F>
std::string message_of(std::uint32_t shared_bytes, F f)
{
  try {
    run<Threads>(1, shared_bytes, f);
  } catch (const std::logic_error& e) {
    return e.what();
  }
  return "";
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

std::vector<float> random_floats(std::size_t count, unsigned seed)
{
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& v : out) v = to_float(to_bf16(normal(random)));
  return out;
}

}  // namespace

TEST_CASE("emulated block: every thread of every block runs once and knows its number")
{
  std::vector<int> runs(3 * 96, 0);
  run<96>(3, 0, [&](auto& block) { ++runs[block.index() * 96 + block.thread()]; });
  REQUIRE(runs == std::vector<int>(3 * 96, 1));
  run<96>(0, 0, [&](auto&) { FAIL("a launch of no blocks runs nothing"); });
}

TEST_CASE("emulated block: sync makes the block's stores visible, sync_warp the warp's")
{
  constexpr std::uint32_t n = 256;
  std::vector<std::uint32_t> seen(n), neighbour(n);
  run<n>(2, n * 4, [&](auto& block) {
    auto* shared = reinterpret_cast<std::uint32_t*>(block.shared());
    const std::uint32_t t = block.thread();
    for (std::uint32_t round = 0; round < 5; ++round) {
      shared[t] = 1000 * round + t;
      block.sync();
      seen[t] = shared[n - 1 - t];
      block.sync();
    }
    shared[t] = t;
    block.sync_warp();
    neighbour[t] = shared[t ^ 31];
  });
  for (std::uint32_t t = 0; t < n; ++t) {
    REQUIRE(seen[t] == 4000 + n - 1 - t);
    REQUIRE(neighbour[t] == (t ^ 31));
  }
}

TEST_CASE("emulated block: shared memory is NaN before it is written, in every block")
{
  int nans = 0;
  run<32>(2, 128, [&](auto& block) {
    auto* shared = reinterpret_cast<float*>(block.shared());
    if (std::isnan(shared[block.thread()])) ++nans;
    shared[block.thread()] = 1;
  });
  REQUIRE(nans == 64);
}

TEST_CASE("emulated block: shuffle_xor exchanges within warps")
{
  std::array<float, 64> sums{};
  std::array<std::uint32_t, 64> others{};
  run<64>(1, 0, [&](auto& block) {
    const std::uint32_t t = block.thread();
    auto value = static_cast<float>(t);
    for (std::uint32_t mask = 1; mask < 32; mask *= 2) value += block.shuffle_xor(value, mask);
    sums[t] = value;
    others[t] = block.shuffle_xor(t * 7, 5);
  });
  for (std::uint32_t t = 0; t < 64; ++t) {
    REQUIRE(sums[t] == (t < 32 ? 496.0f : 496.0f + 1024.0f));
    REQUIRE(others[t] == (t ^ 5) * 7);
  }
}

TEST_CASE("emulated block: load_matrices gives the elements of PTX's table")
{
  // Element (i, j) of matrix m is 64 m + 8 i + j; the rows lie scattered, matrix m's row i in line (5 (8 m + i)) % 32.
  const auto line = [](std::uint32_t m, std::uint32_t i) { return 5 * (8 * m + i) % 32; };
  std::uint32_t plain[32][4], transposed[32][4];
  run<32>(1, 32 * 16, [&](auto& block) {
    const std::uint32_t t = block.thread();
    std::byte* mine = block.shared() + line(t / 8, t % 8) * 16;
    for (std::uint32_t j = 0; j < 8; ++j) {
      const auto value = static_cast<std::uint16_t>(t / 8 * 64 + t % 8 * 8 + j);
      std::memcpy(mine + 2 * j, &value, 2);
    }
    block.sync_warp();
    block.load_matrices(plain[t], mine);
    block.load_matrices_transposed(transposed[t], mine);
  });
  for (std::uint32_t t = 0; t < 32; ++t) {
    for (std::uint32_t m = 0; m < 4; ++m) {
      const std::uint32_t i = t / 4, j = 2 * (t % 4);
      REQUIRE(plain[t][m] == ((64 * m + 8 * i + j + 1) << 16 | (64 * m + 8 * i + j)));
      REQUIRE(transposed[t][m] == ((64 * m + 8 * (j + 1) + i) << 16 | (64 * m + 8 * j + i)));
    }
  }
}

TEST_CASE("emulated block: matrices whose rows share banks are counted")
{
  const auto conflicts = [](auto row) {
    auto k = [row](auto& block) {
      std::uint32_t r[4];
      block.load_matrices(r, block.shared() + row(block.thread()));
    };
    const emulated_report report = run_emulated(plain_kernel<decltype(k), 32>{k, 2, 32 * 128});
    REQUIRE(report.matrix_loads == 8);
    return report.bank_conflicts;
  };
  REQUIRE(conflicts([](std::uint32_t lane) { return 16 * lane; }) == 0);
  REQUIRE(conflicts([](std::uint32_t lane) { return 128 * lane; }) == 8);
  REQUIRE(conflicts([](std::uint32_t lane) { return 128 * lane + 16 * (lane % 8); }) == 0);
  REQUIRE(conflicts([](std::uint32_t lane) { return 128 * lane + 16 * (lane == 9 ? 0 : lane % 8); }) == 2);
}

TEST_CASE("emulated block: multiply_add is D += A B with the operands of PTX's table")
{
  const std::vector<float> a = random_floats(16 * 16, 1);  // by rows
  const std::vector<float> b = random_floats(16 * 8, 2);
  const std::vector<float> c = random_floats(16 * 8, 3);
  std::vector<float> d(16 * 8);
  run<32>(1, 0, [&](auto& block) {
    const std::uint32_t g = block.thread() / 4, k = 2 * (block.thread() % 4);
    const auto pair = [&](const std::vector<float>& m, std::uint32_t first, std::uint32_t step) {
      return block.pack(m[first], m[first + step]);
    };
    const std::uint32_t as[4] = {pair(a, g * 16 + k, 1), pair(a, (g + 8) * 16 + k, 1), pair(a, g * 16 + k + 8, 1),
                                 pair(a, (g + 8) * 16 + k + 8, 1)};
    const std::uint32_t bs[2] = {pair(b, k * 8 + g, 8), pair(b, (k + 8) * 8 + g, 8)};
    float ds[4] = {c[g * 8 + k], c[g * 8 + k + 1], c[(g + 8) * 8 + k], c[(g + 8) * 8 + k + 1]};
    block.multiply_add(ds, as, bs);
    d[g * 8 + k] = ds[0];
    d[g * 8 + k + 1] = ds[1];
    d[(g + 8) * 8 + k] = ds[2];
    d[(g + 8) * 8 + k + 1] = ds[3];
  });
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 8; ++j) {
      double sum = static_cast<double>(c[i * 8 + j]);
      for (std::size_t k = 0; k < 16; ++k)
        sum += static_cast<double>(a[i * 16 + k]) * static_cast<double>(b[k * 8 + j]);
      REQUIRE(std::fabs(sum - static_cast<double>(d[i * 8 + j])) < 1e-5);
    }
  }
}

TEST_CASE("emulated block: copies arrive when they are waited for and not before")
{
  alignas(16) std::uint32_t from[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 9, 9, 9}};
  run<32>(1, 32 * 48, [&](auto& block) {
    auto* to = reinterpret_cast<std::uint32_t*>(block.shared()) + block.thread() * 12;
    block.copy_async(to, from[0], true);
    block.commit_copies();
    block.copy_async(to + 4, from[1], true);
    block.copy_async(to + 8, from[2], false);
    block.commit_copies();
    block.template wait_copies<2>();
    REQUIRE(to[0] == 0xffffffffu);
    block.template wait_copies<1>();
    REQUIRE(to[3] == 4);
    REQUIRE(to[4] == 0xffffffffu);
    REQUIRE(to[8] == 0xffffffffu);
    block.template wait_copies<0>();
    REQUIRE(to[4] == 5);
    REQUIRE(to[8] == 0);
  });
}

TEST_CASE("emulated block: a group that was not committed is not waited for")
{
  alignas(16) const std::uint32_t from[4] = {1, 2, 3, 4};
  const std::string message = message_of<32>(16 * 32, [&](auto& block) {
    block.copy_async(block.shared() + 16 * block.thread(), from, true);
    block.template wait_copies<0>();
  });
  REQUIRE(has(message, "block 0: thread 0 leaves the kernel with copies on their way"));
}

TEST_CASE("emulated block: threads that part are named, with what they do")
{
  SECTION("two operations")
  {
    const std::string message = message_of<64>(0, [](auto& block) {
      if (block.thread() == 37) block.sync();
      else block.sync_warp();
    });
    REQUIRE(has(message, "thread 32 is at sync_warp() of line"));
    REQUIRE(has(message, "thread 37 of the same warp at sync() of line"));
    REQUIRE(has(message, "plain_kernel"));
  }
  SECTION("two places")
  {
    const std::string message = message_of<32>(0, [](auto& block) {
      if (block.thread() < 16) block.sync_warp();
      else block.sync_warp();
    });
    REQUIRE(has(message, "thread 16 of the same warp at sync_warp()"));
  }
  SECTION("the end")
  {
    const std::string message = message_of<32>(0, [](auto& block) {
      if (block.thread() != 3) block.sync();
    });
    REQUIRE(has(message, "thread 3 of the same warp at the end of the kernel"));
  }
  SECTION("a warp that ends in front of a barrier")
  {
    const std::string message = message_of<96>(0, [](auto& block) {
      if (block.thread() / 32 != 1) block.sync();
    });
    REQUIRE(has(message, "all threads of the block must meet"));
  }
  SECTION("warps may part between barriers")
  {
    REQUIRE(message_of<96>(0, [](auto& block) {
              for (std::uint32_t i = 0; i < block.thread() / 32; ++i) block.sync_warp();
              block.sync();
            }).empty());
  }
}

TEST_CASE("emulated block: missing waits and barriers around copies are errors")
{
  alignas(16) const std::byte from[16] = {};
  // Every thread copies 16 bytes, then the first warp's first 32 or the next warp's are read as matrices.
  const auto read = [](auto& block, std::uint32_t first_thread) {
    std::uint32_t r[4];
    block.load_matrices(r, block.shared() + 16 * (first_thread + block.thread() % 32));
  };
  const auto copy = [&](auto& block) {
    block.copy_async(block.shared() + 16 * block.thread(), from, true);
    block.commit_copies();
  };
  const auto wait = [](auto& block) { block.template wait_copies<0>(); };
  const auto of = [&](auto f) { return message_of<64>(16 * 64, f); };

  REQUIRE(has(of([&](auto& b) { copy(b), b.sync(), read(b, 0), wait(b); }), "reads where a copy is on its way"));
  REQUIRE(of([&](auto& b) { copy(b), wait(b), read(b, b.thread() & 32u); }).empty());  // each lane its own
  // The first warp reads before the second has copied; the second reads after the first has.
  const char* const before = "queues a copy to what another warp has read since the last sync()";
  const char* const after = "reads what another thread has copied since the last sync()";
  REQUIRE(has(of([&](auto& b) { copy(b), wait(b), read(b, 32 - (b.thread() & 32u)); }), before));
  REQUIRE(has(of([&](auto& b) { copy(b), wait(b), b.sync_warp(), read(b, 32 - (b.thread() & 32u)); }), before));
  REQUIRE(has(of([&](auto& b) { copy(b), wait(b), read(b, 0); }), after));
  REQUIRE(of([&](auto& b) { copy(b), wait(b), b.sync(), read(b, 32 - (b.thread() & 32u)); }).empty());
  REQUIRE(has(of([&](auto& b) { copy(b), wait(b), b.sync(), read(b, 0), copy(b), wait(b); }), before));
  REQUIRE(of([&](auto& b) {
            copy(b), wait(b), b.sync(), read(b, 32 - (b.thread() & 32u)), b.sync(), copy(b), wait(b);
          }).empty());
  REQUIRE(has(of([&](auto& b) { copy(b), copy(b), wait(b); }), "where another copy is on its way"));
  // Lanes of a warp see each other's copies after sync_warp and not before.
  const auto crossed = [](auto& block) {
    std::uint32_t r[4];
    block.load_matrices(r, block.shared() + 16 * (block.thread() ^ 1));
  };
  REQUIRE(has(of([&](auto& b) { copy(b), wait(b), crossed(b); }), "reads what another thread has copied"));
  REQUIRE(of([&](auto& b) { copy(b), wait(b), b.sync_warp(), crossed(b); }).empty());
}

TEST_CASE("emulated block: shared memory has bounds and 16-byte pieces")
{
  alignas(16) const std::byte from[32] = {};
  const auto of = [&](std::uint32_t to, std::uint32_t skip) {
    return message_of<32>(512, [&](auto& block) {
      if (block.thread() == 9) block.copy_async(block.shared() + to, from + skip, true);
      block.commit_copies();
      block.template wait_copies<0>();
    });
  };
  REQUIRE(of(496, 0).empty());
  REQUIRE(has(of(512, 0), "thread 9 touches 16 bytes that do not lie in shared memory"));
  REQUIRE(has(of(8, 0), "thread 9 touches 16 bytes of shared memory that are not aligned to 16"));
  REQUIRE(has(of(0, 8), "thread 9 copies from 16 bytes that are not aligned to 16"));
  REQUIRE(has(message_of<32>(228 << 10, [](auto&) {}), "a block has at most 232448"));
}

TEST_CASE("emulated block: what a kernel throws comes out, and another run begins afresh")
{
  const auto thrower = [](auto& block) {
    block.sync_warp();
    if (block.thread() == 40) throw std::runtime_error("from inside");
    block.sync();
  };
  REQUIRE_THROWS_AS(run<64>(2, 0, thrower), std::runtime_error);
  int runs = 0;
  run<64>(1, 0, [&](auto& block) {
    block.sync();
    ++runs;
  });
  REQUIRE(runs == 64);
}

TEST_CASE("emulated block: silu, exp2, reciprocal and pack are as exact as promised")
{
  for (float x = -30; x < 30; x += 0.0625f) {
    const double exact = static_cast<double>(x) / (1 + std::exp(-static_cast<double>(x)));
    REQUIRE(std::fabs(static_cast<double>(emulated_block::silu(x)) - exact) <= std::fabs(exact) / 512 + 1.0 / 4096);
    const double power = std::exp2(static_cast<double>(x));
    REQUIRE(std::fabs(static_cast<double>(emulated_block::exp2(x)) - power) <= power * 0x1p-20);
    if (x != 0) {
      REQUIRE(std::fabs(static_cast<double>(emulated_block::reciprocal(x)) * static_cast<double>(x) - 1) <= 0x1p-20);
    }
  }
  REQUIRE(emulated_block::pack(1.0f, -2.0f) == 0xc0003f80u);
}
