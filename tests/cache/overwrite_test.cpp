// Bytes of erased users are overwritten, where a configuration wants that: looked at where they lay, in every level, with the
// ordering checker watching who gets the memory next.
#include "cache/faulty_device.hpp"
#include "cache/scene.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/simulate/dataless_device.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <tuple>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// Where the arenas of this test lie, by number.
std::array<std::span<std::byte>, 2> seen;

template <std::size_t Number, class Writes>
struct watched : pinned_arena<Writes>
{
  template <device Device>
  struct on : pinned_arena<Writes>::template on<Device>
  {
    on(Device& d, const typename pinned_arena<Writes>::config& sizes, std::size_t frame_bytes)
        : pinned_arena<Writes>::template on<Device>(d, sizes, frame_bytes)
    {
      seen[Number] = {this->data(), this->capacity() * frame_bytes};
    }
  };
};

template <class Layout, class... Below>
using cache_of = cache<tier_stack<device_slab<emulated_device, evict_whole>, Below...>, Layout,
                       layerwise_transfer<batched_copy<>>, lru, counters>;
using chunks = cache_of<hybrid_layout, watched<0, token_write_through>>;
using pages = cache_of<paged_layout, watched<0, token_write_through>>;
using ranges = cache_of<contiguous_layout, watched<0, token_write_through>>;
using two = cache_of<hybrid_layout, watched<0, token_write_through>, watched<1, token_write_through>>;

/// A cache whose model writes one byte everywhere in a user's pages.
template <class Cache>
struct marked : scene<Cache>
{
  explicit marked(bool overwrites, page_count slab = 10)
      : scene<Cache>(
            {.time = time_mode::virtual_time, .from_device = {.latency_seconds = 1e-3}, .check_ordering = true},
            config(overwrites, slab))
  {
  }

  static typename Cache::config config(bool overwrites, page_count slab)
  {
    auto c = tiny_config<Cache>(slab, 40, 60);
    if constexpr (requires { c.layout.longest; }) c.layout.longest = 20;
    c.overwrite_erased = overwrites;
    return c;
  }

  auto open(unsigned user, token_count history, std::byte mark)
  {
    auto l = this->hold({{user, history}});
    const page_table_view view = l.view();
    base = view.base;
    where = view.where;
    std::vector<emulated_device::memory_range> written;
    std::vector<std::byte*> places;
    for (layer_index layer = 0; layer < tiny.layers; ++layer) {
      written.clear();
      places.clear();
      for (const page_id page : view.pages(0)) {
        places.push_back(base + where.offset(layer, to_number(page)));
        written.push_back({places.back(), tiny_piece});
      }
      l.wait(layer);
      this->device.launch(this->compute, {.label = "model", .seconds = 1e-4, .writes = written}, [places, mark] {
        for (std::byte* const at : places) std::fill_n(at, tiny_piece, mark);
      });
      l.layer_done(layer);
    }
    l.commit();
    return l;
  }
  void serve(unsigned user, token_count history, std::byte mark) { open(user, history, mark).release(); }

  /// Bytes that are `mark`, in the slab.
  [[nodiscard]] std::size_t in_slab(std::byte mark) const
  {
    return static_cast<std::size_t>(std::count(base, base + 10 * tiny_page_bytes, mark));
  }
  [[nodiscard]] static std::size_t in_arena(std::byte mark, std::size_t number = 0)
  {
    return static_cast<std::size_t>(std::count(seen[number].begin(), seen[number].end(), mark));
  }

  std::byte* base = nullptr;
  placement where;
};

constexpr std::byte mine{0xAB};
constexpr std::byte theirs{0xCD};

template <class Cache>
void is_overwritten()
{
  constexpr token_count history = 18;  // five pages, the last in part
  for (const bool overwrites : {false, true}) {
    CAPTURE(overwrites);
    marked<Cache> s(overwrites);
    s.serve(1, history, mine);
    s.serve(2, 4, theirs);
    s.cache.drain_sync();
    const std::size_t others = s.in_slab(theirs);
    REQUIRE(s.in_slab(mine) == 5 * tiny_page_bytes);
    REQUIRE(s.in_arena(mine) >= 4 * tiny_page_bytes + tiny_page_bytes / 2);
    REQUIRE(others == tiny_page_bytes);
    CHECK(s.cache.erase(user_id{1}));
    s.cache.drain_sync();
    CHECK((s.in_slab(mine) == 0) == overwrites);
    CHECK((s.in_arena(mine) == 0) == overwrites);
    CHECK(s.in_slab(theirs) == others);
    CHECK(s.in_arena(theirs) == tiny_page_bytes);
    CHECK(is(s.look(2, 4).sources, 4, 0, 0));
    CHECK(s.cache.stats().not_overwritten_bytes == 0);
  }
}

}  // namespace

TEST_CASE("pages and extents of an erased user are overwritten where that is wanted", "[cache][overwrite]")
{
  is_overwritten<chunks>();
  is_overwritten<pages>();
  is_overwritten<ranges>();
}

TEST_CASE("whoever gets the memory of an erased user writes after the zeros", "[cache][overwrite]")
{
  marked<chunks> s(true);
  for (unsigned round = 0; round < 6; ++round) {  // nothing is waited for in between
    s.serve(1, 40, mine);
    CHECK(s.cache.erase(user_id{1}));
    s.serve(2, 40, theirs);
    CHECK(s.cache.erase(user_id{2}));
  }
  s.serve(3, 40, theirs);
  s.cache.drain_sync();
  CHECK(s.in_slab(theirs) == 10 * tiny_page_bytes);
  CHECK(s.in_slab(mine) == 0);
  CHECK(s.in_arena(mine) == 0);
  CHECK(s.in_arena(theirs) == 10 * tiny_page_bytes);
}

TEST_CASE("a user who is leased, cold or of an older epoch is overwritten, too", "[cache][overwrite]")
{
  SECTION("leased: at the release")
  {
    marked<chunks> s(true);
    auto l = s.open(1, 20, mine);
    CHECK(s.cache.erase(user_id{1}));
    s.cache.drain_sync();
    CHECK(s.in_slab(mine) == 5 * tiny_page_bytes);
    l.release();
    s.cache.drain_sync();
    CHECK(s.in_slab(mine) == 0);
    CHECK(s.in_arena(mine) == 0);
  }
  SECTION("cold: in every memory")
  {
    marked<two> s(true);
    s.serve(1, 20, mine);
    s.serve(2, 40, theirs);  // takes the whole slab
    s.cache.drain_sync();
    REQUIRE(s.in_slab(mine) == 0);
    REQUIRE(s.in_arena(mine, 0) == 5 * tiny_page_bytes);
    REQUIRE(s.in_arena(mine, 1) == 5 * tiny_page_bytes);
    CHECK(s.cache.erase(user_id{1}));
    s.cache.drain_sync();
    CHECK(s.in_arena(mine, 0) == 0);
    CHECK(s.in_arena(mine, 1) == 0);
    CHECK(s.in_arena(theirs, 1) == 10 * tiny_page_bytes);
  }
  SECTION("of an older epoch, leased or not, and of this one")
  {
    marked<chunks> s(true);
    s.serve(1, 16, mine);
    s.cache.advance_epoch(s.epoch = epoch_id{1});
    s.serve(1, 8, mine);
    auto l = s.open(2, 16, mine);
    s.cache.advance_epoch(s.epoch = epoch_id{2});
    s.cache.erase(user_id{1});
    s.cache.erase(user_id{2});
    s.cache.drain_sync();
    CHECK(s.in_slab(mine) == 4 * tiny_page_bytes);  // the leased ones
    l.release();
    s.cache.drain_sync();
    CHECK(s.in_slab(mine) == 0);
    CHECK(s.in_arena(mine) == 0);
  }
}

TEST_CASE("what the device refuses to overwrite is counted, and given back all the same", "[cache][overwrite]")
{
  /// Refuses copies while it is told to.
  struct refusing : faulty_device
  {
    bool refuses = false;
    void copy_batch(stream_id stream, copy_direction direction, std::span<const copy_piece> list)
    {
      if (refuses) throw device_error("refused");
      faulty_device::copy_batch(stream, direction, list);
    }
  };
  using cache_type = cache<tier_stack<device_slab<refusing>, pinned_arena<token_write_through>>, hybrid_layout,
                           layerwise_transfer<coalesced_copy>, lru>;
  refusing device;
  const stream_id compute = device.create_stream("compute");
  auto c = tiny_config<cache_type>(4, 8);
  c.overwrite_erased = true;
  cache_type cache(device, c);
  const auto serve = [&](unsigned user) {
    const request asked{.user = user_id{user}, .history_tokens = 16};
    auto l = cache.prepare({&asked, 1}, compute).value();
    for (layer_index layer = 0; layer < tiny.layers; ++layer) l.layer_done(layer);
    l.finish();
  };
  serve(1);
  device.refuses = true;
  CHECK(cache.erase(user_id{1}));
  CHECK(cache.stats().not_overwritten_bytes == 2 * 4 * tiny_page_bytes);
  CHECK(cache.stats().levels[0].free_bytes == 4 * tiny_page_bytes);
  device.refuses = false;
  serve(2);
  CHECK(cache.erase(user_id{2}));
  CHECK(cache.stats().not_overwritten_bytes == 2 * 4 * tiny_page_bytes);
}

TEST_CASE("devices without data are asked to overwrite nothing that is not there", "[cache][overwrite]")
{
  using cache_type = default_cache<dataless_device>;
  dataless_device device;
  auto c = tiny_config<cache_type>(4, 8);
  c.overwrite_erased = true;
  cache_type cache(device, c);
  CHECK_FALSE(cache.erase(user_id{1}));
  using emulated = default_cache<emulated_device>;
  emulated_device timed({.time = time_mode::virtual_time, .data = false});
  auto e = tiny_config<emulated>(4, 8);
  e.overwrite_erased = true;
  emulated other(timed, e);
  CHECK_FALSE(other.erase(user_id{1}));
}
