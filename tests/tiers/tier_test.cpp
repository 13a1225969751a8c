// The conformance suite on every tier, a third party's too, and what each promises beyond it.
#include "tiers/tier_conformance.hpp"
#include "tiers/tier_subjects.hpp"

#include "support/sentence_of.hpp"

#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>

namespace {

using namespace kvstrata;
using kvstrata_test::frame_conformance;
using kvstrata_test::tier_conformance;
using arena = kvstrata_test::arena_subject;
using file = kvstrata_test::file_subject;
using slab = kvstrata_test::slab_subject;

using slab_tier_type = device_slab<emulated_device>;
using kvstrata_test::small_pages;
using kvstrata_test::small_shape;

}  // namespace

TEST_CASE("pinned arena: conformance") { tier_conformance<arena>(); }
TEST_CASE("the example's mapped file: conformance") { tier_conformance<file>(); }
TEST_CASE("device slab: conformance of its frames") { frame_conformance<slab>(); }

TEST_CASE("an arena takes its memory from the pinned bound, in whole frames, and gives it back")
{
  emulated_device_config config;
  config.pinned_bytes = 100000;
  emulated_device d(config);
  {
    const pinned_arena<>::on<emulated_device> a(d, {.bytes = 99999}, 1000);
    REQUIRE(a.capacity() == 99);
    REQUIRE(d.pinned_bytes_used() == 99000);
    REQUIRE_THROWS_AS((pinned_arena<>::on<emulated_device>(d, {.bytes = 2000}, 1000)), capacity_error);
  }
  REQUIRE(d.pinned_bytes_used() == 0);
  REQUIRE(d.device_bytes_used() == 0);
}

TEST_CASE("a tier with more pages than can be numbered is refused")
{
  emulated_device d;
  REQUIRE_THROWS_WITH((pinned_arena<>::on<emulated_device>(d, {.bytes = std::size_t{1} << 40U}, 256)),
                      "arena.bytes is 1099511627776, but it may hold at most 2147483647 pages of 256 bytes each");
}

TEST_CASE("a slab is device memory, placed by its layout")
{
  emulated_device d;
  const slab_tier_type::bound s(d, {4096 * 12 + 1}, small_shape, small_pages);
  REQUIRE(d.device_bytes_used() == 4096 * 12);
  REQUIRE(s.place() == small_pages.device_place(small_shape, 12));
  REQUIRE_THROWS_WITH(slab_tier_type::bound(d, {4095}, small_shape, small_pages),
                      "slab.bytes is 4095, but it must hold at least one page, which is 4096 bytes");
}

TEST_CASE("a slab whose sizes cannot be counted is refused")
{
  emulated_device d({.time = time_mode::virtual_time, .data = false});
  constexpr geometry wide{.layers = 4096, .kv_heads = 4096, .head_dim = 65536, .element = element_type::f32};
  constexpr paged_layout pages{.page_tokens = 65536};  // 2^59 bytes a page
  const auto refusal = [&](const slab_tier_type::config& c) {
    return kvstrata_test::sentence_of<config_error>([&] { slab_tier_type::bound(d, c, wide, pages); });
  };
  constexpr std::size_t half = std::size_t{1} << 63U;
  CHECK(refusal({.bytes = half, .window_bytes = half}) ==
        "slab.bytes and window_bytes is 32 x 576460752303423488, but it may be at most 18446744073709551615");
  std::byte somewhere{};
  CHECK(refusal({.region = {.base = &somewhere, .total = 32, .first = 0, .pages = 32}}) ==
        "slab.region in bytes is 32 x 576460752303423488, but it may be at most 18446744073709551615");
  CHECK(refusal({.region = {.base = nullptr, .total = 8, .first = 0, .pages = 8}}) ==
        "slab.region.base is null, but it must be the address of page 0");
  const auto numbered = [&] {
    slab_tier_type::bound(d, {.region = {.base = &somewhere, .total = 1U << 31U, .pages = 1}}, small_shape,
                          small_pages);
  };
  CHECK(kvstrata_test::sentence_of<config_error>(numbered) ==
        "slab.region in bytes is 8796093022208, but it may hold at most 2147483647 pages of 4096 bytes each");
  CHECK(kvstrata_test::sentence_of<config_error>([&] {
          slab_tier_type::bound(d, {1 << 20}, small_shape, paged_layout{.page_tokens = 0});
        }) == "layout.page_tokens is 0, but it must be at least 1");
}

TEST_CASE("a slab's freed pages are poisoned after their last use, in every layer, and no others")
{
  emulated_device_config config = kvstrata_test::tier_device_config();
  config.poison_freed = true;
  emulated_device d(config);
  slab_tier_type::bound s(d, {4096 * 6}, small_shape, small_pages);
  const stream_id compute = d.create_stream("compute");
  const auto taken = s.try_take(6);
  REQUIRE(taken);
  std::byte* const base = s.data();
  std::memset(base, 1, 4096 * 6);
  bool read_before_poison = true;
  const emulated_device::memory_range touched[] = {{base, 4096 * 6}};
  d.launch(compute, {.label = "use", .seconds = 1, .reads = touched}, [&read_before_poison, base] {
    for (std::size_t i = 0; i < 4096 * 6; ++i) read_before_poison = read_before_poison && base[i] == std::byte{1};
  });
  s.give_back({2, 3}, d.record(compute));
  REQUIRE(d.stats().host_waits == 0);
  REQUIRE(s.in_flight() == 3);
  s.drain_sync();
  REQUIRE(read_before_poison);
  for (layer_index layer = 0; layer < 2; ++layer) {
    for (page_count page = 0; page < 6; ++page) {
      const std::byte* const at = base + s.place().offset(layer, page);
      const std::byte expected = page >= 2 && page < 5 ? std::byte{0xFF} : std::byte{1};
      REQUIRE(std::all_of(at, at + 2048, [expected](std::byte b) { return b == expected; }));
    }
  }
  REQUIRE(d.violations().empty());
  // Whoever takes them next comes after the poison.
  REQUIRE(s.try_take(3)->run.first == 2);
}

TEST_CASE("a mapped file that cannot be is an error with its reason")
{
  emulated_device d;
  using tier = example::mapped_file<>;
  try {
    tier::on<emulated_device> t(d, {.directory = "/no/such/folder", .bytes = 4096}, 4096);
    FAIL("it was made");
  } catch (const config_error& e) {
    REQUIRE(std::string(e.what()).find(
                "mapped_file.directory is '/no/such/folder', but a file must be creatable there") == 0);
  }
  REQUIRE_THROWS_AS((tier::on<emulated_device>(d, {.bytes = std::size_t{1} << 50U}, 1U << 20U)), capacity_error);
}
