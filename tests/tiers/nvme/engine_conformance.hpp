// What every engine must do, whatever it moves bytes with:
//
//   struct my_subject
//   {
//     static constexpr const char* name = "mine";  // as the engine says it
//     static std::unique_ptr<block_engine> make(const medium_config&, io_filter*);
//   };
//   TEST_CASE("my engine") { kvstrata_test::engine_conformance<my_subject>(); }
//
// The oracle is a medium in memory. No test knows how fast a thread is: what must be under way or waiting is waited
// for.
#pragma once

#include "support/catch.hpp"
#include "tiers/nvme/faulty_calls.hpp"
#include "tiers/nvme/scratch_files.hpp"

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/medium_config.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <thread>
#include <vector>

namespace kvstrata_test {

inline constexpr std::size_t io_block = nvme::block_bytes;

/// Memory that I/Os go to and from, aligned to blocks.
class io_memory
{
 public:
  explicit io_memory(std::size_t bytes)
      : bytes_(bytes), data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{io_block})))
  {
    std::memset(data_, 0xEE, bytes);
  }
  io_memory(const io_memory&) = delete;
  io_memory& operator=(const io_memory&) = delete;
  ~io_memory() { ::operator delete(data_, std::align_val_t{io_block}); }
  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  [[nodiscard]] std::span<std::byte> all() const noexcept { return {data_, bytes_}; }

 private:
  std::size_t bytes_;
  std::byte* data_;
};

inline void fill(std::byte* to, std::size_t bytes, std::uint64_t seed)
{
  for (std::size_t i = 0; i < bytes; ++i) {
    if (i % 8 == 0) seed = (seed ^ (seed >> 31U)) * 0x9e3779b97f4a7c15U + 1;
    to[i] = static_cast<std::byte>(seed >> (56 - i % 8 * 8));
  }
}

/// I/Os with their pieces, which are whole blocks in uneven parts.
class io_list
{
 public:
  void add(nvme::block_io::kind what, std::uint64_t offset, std::byte* memory, std::size_t bytes,
           std::size_t most_pieces, std::mt19937_64& random)
  {
    auto& pieces = *pieces_.emplace_back(std::make_unique<std::vector<nvme::memory_piece>>());
    for (std::size_t at = 0; at < bytes;) {
      const std::size_t left = (bytes - at) / io_block;
      const std::size_t part = pieces.size() + 1 == most_pieces ? left : 1 + random() % left;
      pieces.push_back({memory + at, part * io_block});
      at += part * io_block;
    }
    ios.push_back({.what = what, .offset = offset, .pieces = pieces});
  }
  std::vector<nvme::block_io> ios;

 private:
  std::vector<std::unique_ptr<std::vector<nvme::memory_piece>>> pieces_;
};

/// One I/O of one piece. Returns its error.
[[nodiscard]] inline int run_one(nvme::block_engine& engine, nvme::block_io::kind what, std::uint64_t offset,
                                 std::byte* memory, std::size_t bytes)
{
  const nvme::memory_piece piece{memory, bytes};
  nvme::block_io io{.what = what, .offset = offset, .pieces = {&piece, 1}, .error = -1};
  engine.run_sync({&io, 1});
  return io.error;
}

template <class Subject>
struct engine_checks
{
  using io = nvme::block_io;
  using call = nvme::io_call;
  using verdict = nvme::io_verdict;

  static constexpr std::uint64_t stripe = 16 * io_block;

  /// Several threads, each in its own part of the medium: what was written is read back, in other pieces than before.
  static void bytes_come_back(std::uint32_t files, std::uint32_t depth, bool direct, bool registered)
  {
    const scratch_files scratch;
    auto config = scratch.config(files, 16 * stripe, stripe, depth);
    config.direct = direct;
    const auto engine = Subject::make(config, nullptr);
    REQUIRE(engine->name() == Subject::name);
    REQUIRE(engine->bytes() == files * 16 * stripe);

    constexpr std::size_t threads = 4;
    const std::uint64_t part = engine->bytes() / threads;
    const io_memory memory(threads * 4 * stripe);
    if (registered) engine->register_memory(memory.all().first(memory.size() / 2));
    std::vector<std::size_t> wrong(threads, 0);
    std::vector<std::thread> running;
    for (std::size_t t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        std::mt19937_64 random(t + 1);
        std::vector<std::byte> oracle(part);
        std::byte* const mine = memory.data() + t * 4 * stripe;
        for (std::uint64_t at = 0; at < part; at += stripe) {  // nothing else is known of a new file's bytes
          fill(mine, stripe, random());
          std::memcpy(oracle.data() + at, mine, stripe);
          wrong[t] += run_one(*engine, io::kind::write, t * part + at, mine, stripe) != 0;
        }
        for (int round = 0; round < 25; ++round) {
          io_list list;
          const bool writes = random() % 2 == 0;
          std::vector<std::uint64_t> offsets;
          for (std::size_t i = 0; i < 4; ++i) {  // in stripes of their own, so that no two write the same
            const std::uint64_t stripes = part / stripe / 4;
            const std::size_t blocks = 1 + random() % 16, first = random() % (17 - blocks);
            offsets.push_back((i * stripes + random() % stripes) * stripe + first * io_block);
            std::byte* const at = mine + i * stripe;
            if (writes) fill(at, blocks * io_block, random());
            if (writes) std::memcpy(oracle.data() + offsets.back(), at, blocks * io_block);
            list.add(writes ? io::kind::write : io::kind::read, t * part + offsets.back(), at, blocks * io_block,
                     1 + random() % 5, random);
          }
          engine->run_sync(list.ios);
          for (std::size_t i = 0; i < 4; ++i) {
            wrong[t] += list.ios[i].error != 0;
            if (!writes)
              wrong[t] += std::memcmp(oracle.data() + offsets[i], mine + i * stripe, list.ios[i].bytes()) != 0;
          }
          if (round % 8 == 0) wrong[t] += engine->flush_sync() != 0;
        }
        for (std::uint64_t at = 0; at < part; at += stripe) {
          wrong[t] += run_one(*engine, io::kind::read, t * part + at, mine, stripe) != 0;
          wrong[t] += std::memcmp(mine, oracle.data() + at, stripe) != 0;
        }
      });
    }
    for (std::thread& thread : running) thread.join();
    CHECK(wrong == std::vector<std::size_t>(threads, 0));

    const auto figures = engine->figures();
    CHECK(figures.errors == 0);
    CHECK(figures.continued == 0);
    CHECK(figures.reads + figures.writes == threads * (2 * part / stripe + 100));
    CHECK(figures.flushes == threads * 4 * files);
    CHECK(figures.read_bytes >= engine->bytes());
    CHECK(figures.written_bytes >= engine->bytes());
  }

  /// More pieces than one call takes, in one I/O.
  static void many_pieces()
  {
    const scratch_files scratch;
    constexpr std::size_t pieces = 2500;
    auto config = scratch.config(1, pieces * io_block, pieces * io_block);
    const auto engine = Subject::make(config, nullptr);
    const io_memory out(pieces * io_block), in(pieces * io_block);
    fill(out.data(), out.size(), 9);
    std::vector<nvme::memory_piece> from, to;
    for (std::size_t i = 0; i < pieces; ++i) {
      from.push_back({out.data() + i * io_block, io_block});
      to.push_back({in.data() + i * io_block, io_block});
      if (i % 100 == 0) to.push_back({in.data(), 0});
    }
    std::vector<io> ios{{.what = io::kind::write, .offset = 0, .pieces = from}};
    engine->run_sync(ios);
    CHECK(ios[0].error == 0);
    ios[0] = {.what = io::kind::read, .offset = 0, .pieces = to};
    engine->run_sync(ios);
    CHECK(ios[0].error == 0);
    CHECK(std::memcmp(out.data(), in.data(), out.size()) == 0);
    CHECK(engine->figures().continued == 0);
    CHECK(engine->figures().written_bytes == out.size());
  }

  static void what_is_no_io()
  {
    const scratch_files scratch;
    const auto engine = Subject::make(scratch.config(2, 4 * stripe, stripe), nullptr);
    const io_memory memory(2 * stripe);
    CHECK(run_one(*engine, io::kind::read, 8 * stripe, memory.data(), io_block) == EINVAL);
    CHECK(run_one(*engine, io::kind::read, ~std::uint64_t{0} - io_block + 1, memory.data(), io_block) == EINVAL);
    CHECK(run_one(*engine, io::kind::write, stripe - io_block, memory.data(), 2 * io_block) == EINVAL);
    CHECK(run_one(*engine, io::kind::write, 512, memory.data(), io_block) == EINVAL);
    CHECK(run_one(*engine, io::kind::write, 0, memory.data(), 512) == EINVAL);
    CHECK(engine->figures().errors == 5);
    CHECK(run_one(*engine, io::kind::read, 0, memory.data(), 0) == 0);
    CHECK(run_one(*engine, io::kind::read, 7 * stripe, memory.data(), stripe) == 0);
    engine->run_sync({});
    CHECK(engine->figures().errors == 5);
  }

  /// Twelve I/Os of three pieces each.
  static void script(io_list& list, const io_memory& memory, io::kind what)
  {
    std::mt19937_64 random(3);
    for (std::size_t i = 0; i < 12; ++i)
      list.add(what, i * stripe, memory.data() + i * 4 * io_block, 4 * io_block, 3, random);
  }

  /// At every call of a script: each kind of answer in its turn.
  static void faults_at_every_call()
  {
    const scratch_files scratch;
    faulty_calls calls;
    const auto engine = Subject::make(scratch.config(2, 8 * stripe, stripe, 4), &calls);
    const io_memory out(12 * 4 * io_block), in(12 * 4 * io_block);
    fill(out.data(), out.size(), 5);

    const std::vector<verdict> answers{{.error = EIO},     {.error = ENOSPC},      {.error = EINTR},
                                       {.most = io_block}, {.most = 3 * io_block}, {.most = 0}};
    for (const io::kind what : {io::kind::write, io::kind::read}) {
      const call::kind called = what == io::kind::read ? call::kind::read : call::kind::write;
      for (const verdict& answer : answers) {
        for (std::size_t at = 0; at < 12; ++at) {
          io_list list;
          script(list, what == io::kind::read ? in : out, what);
          if (what == io::kind::read) std::memset(in.data(), 0, in.size());
          std::size_t seen = 0;
          std::uint64_t hit = 0;
          std::size_t file = 0;
          calls.set([&](const call& c, std::size_t) {
            if (c.what != called || seen++ != at) return verdict{};
            hit = c.offset;
            file = c.file;
            return answer;
          });
          const auto before = engine->figures();
          engine->run_sync(list.ios);
          const auto after = engine->figures();
          calls.set({});

          const int expected = answer.most == 0 ? EIO : answer.error == EINTR ? 0 : answer.error;
          const bool is_short = answer.error == 0 && answer.most != 0;
          for (std::size_t i = 0; i < 12; ++i) {
            const bool is_hit = i % 2 == file && i / 2 * stripe == hit;
            REQUIRE(list.ios[i].error == (is_hit ? expected : 0));
            if (what == io::kind::read && list.ios[i].error == 0)
              REQUIRE(std::memcmp(in.data() + i * 4 * io_block, out.data() + i * 4 * io_block, 4 * io_block) == 0);
          }
          REQUIRE(after.errors - before.errors == (expected != 0 ? 1U : 0U));
          REQUIRE(after.continued - before.continued == (is_short ? 1U : 0U));
          REQUIRE(after.reads + after.writes - before.reads - before.writes == 12);
          // Where a piece is left halfway, its rest is a call of its own.
          REQUIRE(seen >= 12U + (expected == 0 ? 1U : 0U));
          REQUIRE(seen <= 12U + (is_short ? 2U : expected == 0 ? 1U : 0U));
        }
      }
    }
    // Every call comes short: all is there in the end.
    calls.set([](const call&, std::size_t) { return verdict{.most = io_block}; });
    for (const io::kind what : {io::kind::write, io::kind::read}) {
      io_list list;
      if (what == io::kind::write) fill(out.data(), out.size(), 6);
      script(list, what == io::kind::read ? in : out, what);
      engine->run_sync(list.ios);
      for (const io& one : list.ios) CHECK(one.error == 0);
    }
    CHECK(std::memcmp(in.data(), out.data(), out.size()) == 0);
  }

  static void flushes()
  {
    const scratch_files scratch;
    faulty_calls calls;
    const auto engine = Subject::make(scratch.config(3, 2 * stripe, stripe, 2), &calls);
    const io_memory memory(stripe);
    calls.set({});
    REQUIRE(run_one(*engine, io::kind::write, 0, memory.data(), stripe) == 0);
    REQUIRE(engine->flush_sync() == 0);
    // Each file once, and not before the write that had returned.
    std::vector<std::size_t> flushed;
    std::vector<call> seen = calls.calls();
    std::erase_if(seen, [](const call& c) { return c.what == call::kind::submit; });
    REQUIRE(seen.size() == 4);
    CHECK(seen[0].what == call::kind::write);
    for (std::size_t i = 1; i < 4; ++i) {
      CHECK(seen[i].what == call::kind::flush);
      flushed.push_back(seen[i].file);
    }
    std::sort(flushed.begin(), flushed.end());
    CHECK(flushed == std::vector<std::size_t>{0, 1, 2});

    for (std::size_t file = 0; file < 3; ++file) {
      calls.set([file](const call& c, std::size_t) {
        return c.what == call::kind::flush && c.file == file ? verdict{.error = EIO} : verdict{};
      });
      CHECK(engine->flush_sync() == EIO);
    }
    std::size_t interrupted = 0;
    calls.set([&](const call& c, std::size_t) {
      return c.what == call::kind::flush && interrupted++ < 2 ? verdict{.error = EINTR} : verdict{};
    });
    CHECK(engine->flush_sync() == 0);
    CHECK(engine->figures().flushes == 15);
    CHECK(engine->figures().errors == 3);
  }

  /// Depth 1 and one I/O that stands: what comes after it waits. Then reads go first, and writes in their order.
  static void reads_overtake()
  {
    const scratch_files scratch;
    faulty_calls calls;
    const auto engine = Subject::make(scratch.config(1, 8 * stripe, stripe, 1), &calls);
    const io_memory memory(8 * io_block);
    calls.shut();
    std::vector<std::thread> threads;
    const auto start = [&](io::kind what, std::size_t number) {
      threads.emplace_back([&, what, number] {
        static_cast<void>(run_one(*engine, what, number * stripe, memory.data() + number * io_block, io_block));
      });
    };
    start(io::kind::write, 0);
    calls.wait_for_calls(1);
    std::size_t queued = 1;
    for (const auto what : {io::kind::write, io::kind::write, io::kind::read, io::kind::write, io::kind::read}) {
      start(what, queued);
      calls.wait_for_queued(++queued);
    }
    calls.open();
    for (std::thread& thread : threads) thread.join();
    std::vector<std::uint64_t> order;
    for (const call& c : calls.calls()) {
      if (c.what != call::kind::submit) order.push_back(c.offset / stripe);
    }
    CHECK(order == std::vector<std::uint64_t>{0, 3, 5, 1, 2, 4});
  }

  /// A flush does not wait behind writes that have not begun.
  static void flush_overtakes()
  {
    const scratch_files scratch;
    faulty_calls calls;
    const auto engine = Subject::make(scratch.config(1, 8 * stripe, stripe, 1), &calls);
    const io_memory memory(4 * io_block);
    calls.shut();
    std::thread first([&] { static_cast<void>(run_one(*engine, io::kind::write, 0, memory.data(), io_block)); });
    calls.wait_for_calls(1);
    std::thread second([&] { static_cast<void>(run_one(*engine, io::kind::write, stripe, memory.data(), io_block)); });
    calls.wait_for_queued(2);
    std::thread flusher([&] { static_cast<void>(engine->flush_sync()); });
    calls.wait_for_queued(3);
    calls.open();
    first.join();
    second.join();
    flusher.join();
    std::vector<call::kind> order;
    for (const call& c : calls.calls()) {
      if (c.what != call::kind::submit) order.push_back(c.what);
    }
    CHECK(order == std::vector<call::kind>{call::kind::write, call::kind::flush, call::kind::write});
  }
};

template <class Subject>
void engine_conformance()
{
  using checks = engine_checks<Subject>;
  for (const bool direct : {true, false}) {
    for (const std::uint32_t depth : {1U, 3U, 32U})
      checks::bytes_come_back(depth == 3 ? 3 : 1, depth, direct, depth != 1);
  }
  checks::many_pieces();
  checks::what_is_no_io();
  checks::faults_at_every_call();
  checks::flushes();
  checks::reads_overtake();
  checks::flush_overtakes();
}

}  // namespace kvstrata_test
