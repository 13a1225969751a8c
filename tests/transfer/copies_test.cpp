// How many copies an engine makes: exact counts, on a whole slab and on a fragmented one.
#include "cache/scene.hpp"

#include <kvstrata/transfer/copy_engine.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

template <class Layout, class Engine>
using cache_with =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, Layout, layerwise_transfer<Engine>, lru, counters>;

template <class Cache>
void check_counts(std::uint64_t offloaded, std::uint64_t onloaded)
{
  scene<Cache> s(8, 64);
  s.serve(1, 32);  // 8 pages in one run
  CHECK(s.cache.tracker().read().offload_copies == offloaded);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 8 * tiny_page_bytes);
  s.hold({{2, 32}}).release();
  CHECK(is(s.serve(1, 32), 0, 32, 0));
  CHECK(s.cache.tracker().read().onload_copies == onloaded);
  CHECK(s.cache.tracker().read().onload_bytes[1] == 8 * tiny_page_bytes);
  const device_counters moved = s.device.stats();
  CHECK(moved.to_device.copies == onloaded);
  CHECK(moved.to_device.bytes == 8 * tiny_page_bytes);
  CHECK(moved.from_device.copies == offloaded);
}

/// Where each byte of a layer goes and where it comes from.
using byte_moves = std::set<std::pair<const std::byte*, const std::byte*>>;

void add_bytes(byte_moves& out, const copy_piece& piece)
{
  for (std::size_t i = 0; i < piece.bytes; ++i) out.insert({piece.dst + i, piece.src + i});
}

}  // namespace

TEST_CASE("one copy a page and layer, one a run and extent, or one a batch", "[transfer][copies]")
{
  // 8 pages of 3 layers; a hybrid extent is a chunk of 4 pages, a paged one a page.
  check_counts<cache_with<hybrid_layout, coalesced_copy>>(2 * 3, 2 * 3);
  check_counts<cache_with<hybrid_layout, per_page_copy>>(8 * 3, 8 * 3);
  check_counts<cache_with<hybrid_layout, batched_copy<>>>(3, 3);
  check_counts<cache_with<paged_layout, batched_copy<>>>(3, 3);
  check_counts<cache_with<paged_layout, batched_copy<3>>>(3 * 3, 3 * 3);
  check_counts<cache_with<paged_layout, coalesced_copy>>(8 * 3, 8 * 3);
  check_counts<cache_with<paged_layout, per_page_copy>>(8 * 3, 8 * 3);
}

TEST_CASE("on a fragmented slab there is a copy for every run and extent in common", "[transfer][copies]")
{
  scene<cache_with<hybrid_layout, coalesced_copy>> s(24, 200);
  s.serve(50, 32);                                               // chunks [0, 4) and [4, 8) of pages
  for (unsigned user = 1; user <= 16; ++user) s.serve(user, 4);  // a page each: the rest of the slab
  s.serve(51, 32);                                               // user 50's pages go
  s.cache.erase(user_id{51});
  for (unsigned user = 2; user <= 16; user += 2) s.cache.erase(user_id{user});
  s.hold({{52, 8}}).release();
  const auto before = s.cache.tracker().read();
  auto first = s.hold({{60, 28}});  // takes the long run but one page
  auto lease = s.hold({{50, 32}});
  REQUIRE(is(lease.sources(0), 0, 32, 0));
  const auto ids = lease.view().page_ids;
  std::uint64_t runs = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i % 4 == 0 || to_number(ids[i]) != to_number(ids[i - 1]) + 1) ++runs;
  }
  CHECK(runs > 2);
  CHECK(s.cache.tracker().read().onload_copies - before.onload_copies == runs * tiny.layers);
}

TEST_CASE("only the pages that are wanted are copied", "[transfer][copies]")
{
  scene<cache_with<hybrid_layout, coalesced_copy>> s(8, 64);
  s.serve(1, 30);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 7 * tiny_page_bytes);  // whole pages
  s.serve(1, 31);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 7 * tiny_page_bytes);
  s.serve(1, 32);
  CHECK(s.cache.tracker().read().offload_bytes[1] == 8 * tiny_page_bytes);
  s.serve(2, 8);  // the first two pages go
  s.serve(1, 32);
  CHECK(s.cache.tracker().read().onload_bytes[1] == 2 * tiny_page_bytes);
}

TEST_CASE("the pieces of a layer are those of its runs, whatever strides these have", "[transfer][copies]")
{
  constexpr std::size_t piece = 4;
  constexpr std::size_t run_bytes = 512;
  std::vector<std::byte> memory(2 * 12 * run_bytes);
  layer_pieces pieces;
  std::mt19937 random(1);
  const auto upto = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % (n + 1)); };
  std::size_t joined = 0;
  for (int round = 0; round < 300; ++round) {
    copy_list list{.piece_bytes = piece, .layers = 1 + upto(3), .runs = {}};
    const auto any_end = [&](std::size_t run, bool from) {
      const std::uint64_t page_stride = upto(2) == 0 ? 2 * piece : piece;
      const std::uint64_t layer_stride = upto(1) == 0 ? 8 * page_stride : 13 * page_stride;
      std::byte* const room = memory.data() + (2 * run + (from ? 1 : 0)) * run_bytes;
      return copy_end{room, {.layer_stride = layer_stride, .page_stride = page_stride}};
    };
    for (std::size_t run = 0; run < 1 + upto(11); ++run) {
      copy_run next{any_end(run, true), any_end(run, false), 1 + upto(3)};
      if (run != 0 && upto(2) == 0) {  // goes on from the one before
        const copy_run& last = list.runs.back();
        if (last.pages < 5) next = {last.from, last.to, 1};
        if (last.pages < 5) next.from.at = last.from.page(0, last.pages);
        if (last.pages < 5) next.to.at = last.to.page(0, last.pages);
      }
      list.runs.push_back(next);
    }
    for (layer_index layer = 0; layer < list.layers; ++layer) {
      byte_moves wanted;
      std::size_t single = 0;
      each_piece(list, layer, false, [&](const copy_piece& p) { add_bytes(wanted, p), ++single; });
      byte_moves had;
      std::size_t bytes = 0;
      const auto all = pieces.of(list, layer);
      for (const copy_piece& p : all) {
        add_bytes(had, p);
        bytes += p.bytes;
      }
      CAPTURE(round, layer);
      REQUIRE(had == wanted);
      REQUIRE(bytes == single * piece);
      joined += single - all.size();
    }
  }
  CHECK(joined > 300);
}
