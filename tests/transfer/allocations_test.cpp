// Engines reuse what they keep: once a list of some size has gone through, the next one allocates nothing.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace {

using namespace kvstrata;

/// Takes everything and does nothing, so that what is counted is the engine's.
class idle_device
{
 public:
  struct memory
  {
    std::vector<std::byte> bytes;
    [[nodiscard]] std::byte* data() const noexcept { return const_cast<std::byte*>(bytes.data()); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes.size(); }
  };
  memory allocate_device(std::size_t bytes, std::string_view) { return {std::vector<std::byte>(bytes)}; }
  memory allocate_pinned(std::size_t bytes, std::string_view) { return {std::vector<std::byte>(bytes)}; }
  stream_id create_stream(std::string_view) { return static_cast<stream_id>(streams_++); }
  event record(stream_id stream) { return {stream, ++sequence_}; }
  void wait(stream_id, event) {}
  bool query(event) { return true; }
  void wait_sync(event) {}
  void copy(stream_id, copy_direction, std::byte*, const std::byte*, std::size_t) { ++calls; }
  void copy_batch(stream_id, copy_direction, std::span<const copy_piece>) { ++calls; }
  void copy_kernel_launch(stream_id, const copy_kernel&, std::span<const copy_piece>) { ++calls; }

  std::uint64_t calls = 0;

 private:
  std::uint32_t streams_ = 0;
  std::uint64_t sequence_ = 0;
};

template <class Engine>
std::size_t allocations_of(std::uint64_t& calls)
{
  constexpr std::size_t piece = 64;
  idle_device d;
  const auto slab = d.allocate_device(2000 * piece, "slab");
  const auto arena = d.allocate_pinned(1000 * piece, "arena");
  copy_list list{.piece_bytes = piece, .layers = 1, .runs = {}};
  for (page_count page = 0; page < 1000; ++page) {
    list.runs.push_back({.from = {arena.data() + page * piece, {0, piece}},
                         .to = {slab.data() + 2 * page * piece, {0, piece}},
                         .pages = 1});
  }
  typename Engine::template on<idle_device> engine(d, copy_direction::to_device);
  static_cast<void>(engine.copy(list, 0, {}));
  d.calls = 0;
  const std::size_t before = kvstrata_test::allocations();
  for (int i = 0; i < 10; ++i) static_cast<void>(engine.copy(list, 0, {}));
  calls = d.calls;
  return kvstrata_test::allocations() - before;
}

}  // namespace

TEMPLATE_TEST_CASE("an engine allocates nothing in steady state", "[transfer]", per_page_copy, coalesced_copy,
                   batched_copy<>, batched_copy<7>, (staged_copy<4096, 3>), kernel_copy<>, window_copy<>)
{
  std::uint64_t calls = 0;
  CHECK(allocations_of<TestType>(calls) == 0);
  CHECK(calls >= 10);
}
