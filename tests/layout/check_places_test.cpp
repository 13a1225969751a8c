// Layouts that point beyond the slab or a tier, or put two pages in one place, are refused where a cache is built, by name.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/checked.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/replacement/checked.hpp>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

using namespace kvstrata;
using kvstrata_test::says;
using kvstrata_test::sentence_of;

namespace strangers {

enum class mistake : std::uint8_t {
  none,
  slab_too_wide,
  slab_in_one_place,
  tier_too_wide,
  extents_in_one_place,
  chunk,
  extent
};

struct slip : paged_layout
{
  mistake made = mistake::none;

  [[nodiscard]] token_count chunk_tokens() const
  {
    return made == mistake::chunk ? page_tokens + 1 : paged_layout::chunk_tokens();
  }
  [[nodiscard]] page_count extent_pages(page_count first, page_count wanted) const
  {
    return made == mistake::extent ? 0 : paged_layout::extent_pages(first, wanted);
  }
  [[nodiscard]] placement device_place(const geometry& shape, page_count pages) const
  {
    placement out = paged_layout::device_place(shape, pages);
    if (made == mistake::slab_too_wide) out.layer_stride += 1;
    if (made == mistake::slab_in_one_place) out.layer_stride -= 1;
    return out;
  }
  [[nodiscard]] extent_place lower_place(const geometry& shape, page_count frame, page_count pages,
                                         page_count tier_pages) const
  {
    extent_place out = paged_layout::lower_place(shape, frame, pages, tier_pages);
    if (made == mistake::tier_too_wide) out.offset += 1;
    if (made == mistake::extents_in_one_place && frame != 0) {
      out = paged_layout::lower_place(shape, frame - 1, pages, tier_pages);
    }
    return out;
  }
};

}  // namespace strangers

namespace {

using strangers::mistake;
using strangers::slip;

constexpr geometry shape{.layers = 3, .kv_heads = 1, .head_dim = 8};

using plain = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, slip, layerwise_transfer<>, lru>;
using strict =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, checked<slip>, layerwise_transfer<>, checked<lru>>;

template <class Cache>
typename Cache::config sizes(mistake made)
{
  slip layout;
  layout.page_tokens = 4;
  layout.made = made;
  const std::size_t page = page_bytes(shape, 4);
  typename Cache::config out{.shape = shape, .tiers = {{.bytes = 8 * page}, {.bytes = 20 * page}}};
  out.layout = layout;
  return out;
}

template <class Cache>
std::string said(mistake made, int requests = 0)
{
  return sentence_of<contract_error>([&] {
    emulated_device device({.time = time_mode::virtual_time, .data = false});
    const stream_id compute = device.create_stream("compute");
    Cache cache(device, sizes<Cache>(made));
    for (int i = 0; i < requests; ++i) {
      const request r{.user = user_id{static_cast<std::uint64_t>(i % 5)}, .history_tokens = 12};
      auto lease = cache.prepare({&r, 1}, compute).value();
      for (layer_index l = 0; l < shape.layers; ++l) lease.layer_done(l);
      lease.commit();
    }
  });
}

}  // namespace

TEST_CASE("a cache looks at its layout when it is built", "[layout]")
{
  CHECK(said<plain>(mistake::none, 20) == "nothing was thrown");
  CHECK_THAT(said<plain>(mistake::slab_too_wide),
             says("strangers::slip::device_place(shape, 8) points beyond the ") && says(" bytes of 8 pages"));
  CHECK_THAT(said<plain>(mistake::slab_in_one_place),
             says("strangers::slip::device_place(shape, 8) puts two pages of 128 bytes a layer"));
  CHECK_THAT(said<plain>(mistake::tier_too_wide),
             says("strangers::slip::lower_place(shape, ") && says(" points beyond the "));
  CHECK(said<plain>(mistake::extents_in_one_place) ==
        "strangers::slip::lower_place puts pages of two extents of a tier of 20 frames in one place");
}

TEST_CASE("a checked layout and a checked policy serve in a cache", "[layout]")
{
  CHECK(said<strict>(mistake::none, 20) == "nothing was thrown");
  CHECK(said<strict>(mistake::chunk, 20) ==
        "strangers::slip::chunk_tokens() is 5, but must be a multiple of page_tokens, 4");
  CHECK_THAT(said<strict>(mistake::extent, 20),
             says("strangers::slip::extent_pages(") && says(" is 0, but must be a multiple of "));
}

TEST_CASE("pieces lie apart or they do not: against a list of all of them", "[layout]")
{
  std::mt19937 random(5);
  int apart = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::uint64_t layers = 1 + random() % 5;
    const std::uint64_t pages = 1 + random() % 7;
    const std::uint64_t piece = 1 + random() % 4;
    const placement where{.layer_stride = random() % 24, .page_stride = random() % 24};
    std::vector<std::uint64_t> begins;
    for (layer_index l = 0; l < layers; ++l) {
      for (std::uint64_t p = 0; p < pages; ++p) begins.push_back(where.offset(l, p));
    }
    std::sort(begins.begin(), begins.end());
    bool expected = true;
    for (std::size_t i = 1; i < begins.size(); ++i) expected = expected && begins[i] - begins[i - 1] >= piece;
    CAPTURE(layers, pages, piece, where.layer_stride, where.page_stride);
    REQUIRE(detail::pieces_lie_apart(where, layers, pages, piece) == expected);
    apart += expected ? 1 : 0;
    for (const std::uint64_t bytes : {begins.back() + piece - 1, begins.back() + piece}) {
      REQUIRE(detail::pieces_end_within(0, where, layers, pages, piece, bytes) == (begins.back() + piece <= bytes));
    }
  }
  CHECK(apart > 500);
  CHECK(apart < 4500);
}
