// Kernels that encode and decode, on the CPU: every block, phase and thread of a launch, in an order of its own; and a machine
// that watches how they reach memory.
#pragma once

#include <kvstrata/codec/kernels/block_coder.hpp>
#include <kvstrata/device/cuda/codes/code_table.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// What this thread's accesses are held against, and how many there were.
struct block_log
{
  struct stretch
  {
    const std::byte* begin = nullptr;
    std::size_t bytes = 0;
  };

  std::vector<stretch> allowed;
  std::size_t loads[17] = {}, stores[17] = {};  ///< of words of so many bytes

  /// What travels on a GPU: sectors of 32 bytes, once for all that a warp does in a phase. Where somebody asks.
  using sector = std::array<std::uintptr_t, 3>;  // of a warp, in a phase, where
  static constexpr std::size_t sector_bytes = 32;
  bool counts_sectors = false;
  std::set<sector> read, written;
  std::uint32_t warp = 0, phase = 0;

  void touch(std::set<sector>& all, const std::byte* at)
  {
    if (counts_sectors) all.insert({warp, phase, reinterpret_cast<std::uintptr_t>(at) / sector_bytes});
  }
};

inline thread_local block_log block_accesses;

struct watched_block : kvstrata::host_block
{
  template <std::uint32_t Bytes>
  [[nodiscard]] static word<Bytes> load(const std::byte* from)
  {
    require(from, Bytes, "load");
    ++block_accesses.loads[Bytes];
    block_accesses.touch(block_accesses.read, from);
    return host_block::load<Bytes>(from);
  }
  template <std::uint32_t Bytes>
  static void store(std::byte* to, const word<Bytes>& value)
  {
    require(to, Bytes, "store");
    ++block_accesses.stores[Bytes];
    block_accesses.touch(block_accesses.written, to);
    host_block::store<Bytes>(to, value);
  }

 private:
  static void require(const std::byte* at, std::size_t bytes, const char* what)
  {
    for (const block_log::stretch& s : block_accesses.allowed) {
      if (at < s.begin || at + bytes > s.begin + s.bytes) continue;
      if (address(at) % bytes == 0) return;
      throw std::logic_error(std::string(what) + " of " + std::to_string(bytes) + " bytes that is not aligned");
    }
    throw std::logic_error(std::string(what) + " of " + std::to_string(bytes) + " bytes outside");
  }
};

template <class Body, class Coder>
class emulated_blocks
{
 public:
  emulated_blocks(const Coder& coder, unsigned seed) : coder_(coder), draw_(seed), threads_(Body::threads)
  {
    std::iota(threads_.begin(), threads_.end(), 0U);
  }

  kvstrata::code_counts operator()(std::span<const kvstrata::code_piece> pieces, std::uint32_t blocks)
  {
    kvstrata::code_counts counts;
    kvstrata::cuda::each_code_table(pieces, coder_.units(), [&](const auto& table) {
      std::vector<std::uint32_t> order(blocks);
      std::iota(order.begin(), order.end(), 0U);
      std::shuffle(order.begin(), order.end(), draw_);
      for (const std::uint32_t block : order) {
        typename Body::shared all;
        std::memset(static_cast<void*>(&all), 0xCD, sizeof(all));
        each_thread([&](std::uint32_t thread) { Body::set_up(coder_, thread, all); });
        kvstrata::cuda::each_unit_of_block(
            table, block, blocks, coder_.units(), [&](std::uint32_t unit, const kvstrata::code_piece& piece) {
              const kvstrata::unit_task<Coder> task{coder_, piece, unit, &counts};
              do_phases(task, all, std::make_integer_sequence<std::uint32_t, Body::phases>());
            });
      }
    });
    return counts;
  }

 private:
  template <std::uint32_t... Phases>
  void do_phases(const kvstrata::unit_task<Coder>& task, typename Body::shared& all,
                 std::integer_sequence<std::uint32_t, Phases...>)
  {
    std::vector<typename Body::mine> mine(Body::threads);
    (each_thread([&](std::uint32_t thread) { Body::template phase<Phases>(task, thread, mine[thread], all); }), ...);
  }
  template <class Visit>
  void each_thread(Visit&& visit)
  {
    std::shuffle(threads_.begin(), threads_.end(), draw_);
    ++block_accesses.phase;
    for (const std::uint32_t thread : threads_) {
      block_accesses.warp = thread / 32;
      visit(thread);
    }
  }

  const Coder& coder_;
  std::mt19937 draw_;
  std::vector<std::uint32_t> threads_;
};

}  // namespace kvstrata_test
