// What layouts, the onload window and split policies do to a batch, one story each, in virtual time.
#include "cache/scene.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

template <class Layout, class Transfer, class Writes = page_write_through>
using tested = cache<tier_stack<device_slab<emulated_device>, pinned_arena<Writes>>, Layout, Transfer, lru, counters>;

/// Cuts where it is told to.
struct cut_at
{
  using option_kind = split_policy_option;
  token_count until = 0;
  void recompute_until(const split_batch&, std::span<token_count> out) const noexcept
  {
    std::fill(out.begin(), out.end(), until);
  }
};

/// Copies at once, and says that it was done before it began.
struct at_once
{
  using option_kind = copy_engine_option;

  template <device Device>
  class on
  {
   public:
    on(Device& d, copy_direction) : device_(&d) {}
    [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      wait_for_sync(*device_, after);
      const std::span<const copy_piece> all = pieces_.of(list, layer);
      for (const copy_piece& p : all) std::memcpy(p.dst, p.src, p.bytes);
      return {.calls = all.size(), .pieces = all.size(), .done = {}};
    }
    void drain_sync() noexcept {}

   private:
    Device* device_;
    layer_pieces pieces_;
  };
};

using ranges = tested<contiguous_layout, layerwise_transfer<>>;
using pages = tested<paged_layout, layerwise_transfer<>>;
using landing = tested<paged_layout, layerwise_transfer<window_copy<>>>;
using cutting = tested<hybrid_layout, layerwise_transfer<cut_at>>;

/// A layer of a page takes a second on either link, and on its way from the window to its page.
[[nodiscard]] emulated_device_config slow_links()
{
  constexpr double second = double{tiny_page_bytes} / tiny.layers;
  return {.time = time_mode::virtual_time,
          .to_device = {.bytes_per_second = second},
          .from_device = {.bytes_per_second = second},
          .copy_kernels = {.device_bytes_per_second = second},
          .check_ordering = true,
          .trace = true};
}

[[nodiscard]] landing::config with_window(page_count window_pages)
{
  auto c = tiny_config<landing>(8, 64);
  c.layout.host_order = page_order::layer_first;
  std::get<0>(c.tiers).window_bytes = window_pages * tiny_page_bytes;
  return c;
}

/// The page ids of a lease's only request.
template <class Lease>
[[nodiscard]] std::vector<page_count> ids(const Lease& lease)
{
  std::vector<page_count> out;
  for (const page_id id : lease.view().page_ids) out.push_back(to_number(id));
  return out;
}

/// When the spans of a stream began and ended, waits left out.
struct stretch
{
  double begin = 0;
  double end = 0;
};
[[nodiscard]] std::vector<stretch> spans_of(const emulated_device& d, const std::string& stream)
{
  std::vector<stretch> out;
  for (const op_span& s : d.trace()) {
    if (s.stream_name == stream && s.kind != operation_kind::wait) out.push_back({s.begin, s.end});
  }
  return out;
}

template <class Error, class Call>
[[nodiscard]] std::string sentence_of(Call&& call)
{
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("contiguous_layout: a user takes their whole range, and a layer of it is one copy", "[cache][layouts]")
{
  auto c = tiny_config<ranges>(20, 40);  // three ranges of six pages and a rest
  c.layout.longest = 6 * tiny_page;
  scene<ranges> s({.time = time_mode::virtual_time, .check_ordering = true}, c);
  CHECK(s.cache.stats().levels[0].capacity_bytes == 18 * tiny_page_bytes);
  CHECK(s.cache.stats().levels[1].capacity_bytes == 36 * tiny_page_bytes);
  s.serve(1, 1);
  CHECK(s.cache.stats().levels[0].resident_bytes == 6 * tiny_page_bytes);
  s.serve(1, 24);
  s.serve(2, 24);
  s.serve(3, 24);
  CHECK(s.cache.stats().levels[0].free_bytes == 0);
  s.serve(4, 3);  // user 1 goes, whole
  CHECK(s.cache.stats().levels[0].evicted_tokens == 24);
  const auto before = s.cache.tracker().read();
  CHECK(is(s.serve(1, 24), 0, 24, 0));
  const auto after = s.cache.tracker().read();
  CHECK(after.onload_copies - before.onload_copies == tiny.layers);
  CHECK(after.onload_bytes[1] - before.onload_bytes[1] == 6 * tiny_page_bytes);
}

TEST_CASE("contiguous_layout: a history that is longer than its range is refused", "[cache][layouts]")
{
  auto c = tiny_config<ranges>(18, 18);
  c.layout.longest = 6 * tiny_page;
  scene<ranges> s({.time = time_mode::virtual_time}, c);
  const request r = s.asks(1, 25);
  const auto sentence = sentence_of<capacity_error>([&] { static_cast<void>(s.cache.prepare({&r, 1}, s.compute)); });
  CHECK(sentence == "the history of user 1 has 25 tokens, but the layout has room for at most 24");
  CHECK(s.cache.stats().users == 0);
  const auto tiers = sentence_of<config_error>([&] {
    auto small = c;
    std::get<0>(small.tiers).bytes = 5 * tiny_page_bytes;
    const ranges never(s.device, small);
  });
  CHECK(tiers.find("slab.bytes is 5 pages") != std::string::npos);
  CHECK(tiers.find("takes 6") != std::string::npos);
}

TEST_CASE("page orders below the device: the same pages in fewer or more copies", "[cache][layouts]")
{
  for (const page_order order : {page_order::page_first, page_order::layer_first}) {
    auto c = tiny_config<pages>(8, 64);
    c.layout.host_order = order;
    scene<pages> s({.time = time_mode::virtual_time, .check_ordering = true}, c);
    s.serve(1, 24);
    s.serve(2, 32);
    CHECK(is(s.serve(1, 24), 0, 24, 0));
    const auto counted = s.cache.tracker().read();
    CHECK(counted.onload_bytes[1] == 6 * tiny_page_bytes);
    CHECK(counted.onload_copies == tiny.layers * (order == page_order::page_first ? 6 : 1));
  }
}

TEST_CASE("window: pages land there, attention reads them there, and they come home behind it", "[cache][window]")
{
  scene<landing> s(slow_links(), with_window(6));
  s.serve(1, 24);
  s.serve(2, 32);
  s.cache.drain_sync();
  s.device.clear_trace();
  auto lease = s.hold({{1, 24}});
  CHECK(is(lease.sources(0), 0, 24, 0));
  CHECK(ids(lease) == std::vector<page_count>{8, 9, 10, 11, 12, 13});
  CHECK(s.cache.stats().window.resident_bytes == 6 * tiny_page_bytes);
  s.run_model(lease);
  lease.commit();
  lease.release();
  s.cache.drain_sync();
  const auto arrivals = spans_of(s.device, "onload");
  const auto kernels = spans_of(s.device, "compute");
  const auto relocations = spans_of(s.device, "relocate");
  REQUIRE(arrivals.size() == tiny.layers);
  REQUIRE(kernels.size() == tiny.layers);
  REQUIRE(relocations.size() == tiny.layers);
  for (layer_index l = 0; l < tiny.layers; ++l) {
    CHECK(kernels[l].begin == Approx(arrivals[l].end));  // not held up by any relocation
    CHECK(relocations[l].begin >= arrivals[l].end);
    CHECK(relocations[l].end - relocations[l].begin == Approx(6));
  }
  CHECK(s.cache.tracker().read().relocated_bytes == 6 * tiny_page_bytes);
  CHECK(s.cache.stats().window.free_bytes == 6 * tiny_page_bytes);
  auto again = s.hold({{1, 24}});
  CHECK(is(again.sources(0), 24, 0, 0));
  for (const page_count id : ids(again)) CHECK(id < 8);
}

TEST_CASE("window: who comes before the relocation is over waits for it", "[cache][window]")
{
  scene<landing> s(slow_links(), with_window(6));
  s.serve(1, 24);
  s.serve(2, 32);
  s.cache.drain_sync();
  s.device.clear_trace();
  s.serve(1, 24);
  CHECK(s.cache.stats().window.in_flight_bytes == 6 * tiny_page_bytes);
  s.serve(1, 24);
  s.cache.drain_sync();
  s.device.wait_sync(s.device.record(s.compute));
  const auto kernels = spans_of(s.device, "compute");
  const auto relocations = spans_of(s.device, "relocate");
  REQUIRE(kernels.size() == 2 * tiny.layers);
  REQUIRE(relocations.size() == tiny.layers);
  CHECK(kernels[tiny.layers].begin >= relocations.back().end);
}

TEST_CASE("window: what finds no room there goes straight to its pages", "[cache][window]")
{
  scene<landing> s(slow_links(), with_window(2));
  s.serve(1, 24);
  s.serve(2, 32);
  auto lease = s.hold({{1, 24}});
  const auto here = ids(lease);
  CHECK(std::count_if(here.begin(), here.end(), [](page_count id) { return id >= 8; }) == 2);
  CHECK(here[0] == 8);
  CHECK(here[1] == 9);
  CHECK(s.cache.tracker().read().relocated_bytes == 2 * tiny_page_bytes);
  CHECK(s.cache.tracker().read().onload_bytes[1] == 6 * tiny_page_bytes);
  CHECK(s.cache.stats().window.free_bytes == 0);
}

TEST_CASE("window: a page that the model writes to never lands there", "[cache][window]")
{
  scene<landing> s(slow_links(), with_window(6));
  s.serve(1, 22);  // the last page is not full
  s.serve(2, 32);
  auto lease = s.hold({{1, 24}});
  CHECK(is(lease.sources(0), 0, 22, 2));
  const auto here = ids(lease);
  REQUIRE(here.size() == 6);
  CHECK(std::all_of(here.begin(), here.begin() + 5, [](page_count id) { return id >= 8; }));
  CHECK(here.back() < 8);
}

TEST_CASE("window: prefetches do not land there", "[cache][window]")
{
  scene<landing> s(slow_links(), with_window(6));
  s.serve(1, 24);
  s.serve(2, 32);
  CHECK(s.cache.prefetch(s.asks(1, 24)).value().tokens == 24);
  CHECK(s.cache.stats().window.free_bytes == 6 * tiny_page_bytes);
  CHECK(s.cache.tracker().read().relocated_bytes == 0);
}

TEST_CASE("a transfer that lands in the window is refused without one", "[cache][window][errors]")
{
  emulated_device device({.time = time_mode::virtual_time});
  const auto sentence = sentence_of<config_error>([&] { const landing never(device, with_window(0)); });
  CHECK(sentence.find("slab.window_bytes is 0") != std::string::npos);
  CHECK(device.device_bytes_used() == 0);
}

TEST_CASE("a slab that is carved out of somebody else's reservation", "[cache][errors]")
{
  emulated_device device({.time = time_mode::virtual_time});
  auto memory = device.allocate_device(8 * tiny_page_bytes, "shared");
  auto c = tiny_config<pages>(8, 8);
  std::get<0>(c.tiers) = {.region = {.base = memory.data(), .total = 8, .first = 2, .pages = 6}};
  {
    const pages fine(device, c);
    CHECK(device.device_bytes_used() == 8 * tiny_page_bytes);  // nothing of its own
  }
  const auto refused = [&](const pages::config& bad) {
    return sentence_of<config_error>([&] { const pages never(device, bad); });
  };
  auto bad = c;
  std::get<0>(bad.tiers).bytes = tiny_page_bytes;
  CHECK(refused(bad).find("slab.bytes") != std::string::npos);
  bad = c;
  std::get<0>(bad.tiers).window_bytes = tiny_page_bytes;
  CHECK(refused(bad).find("window_bytes") != std::string::npos);
  bad = c;
  std::get<0>(bad.tiers).region.pages = 7;
  CHECK(refused(bad).find("slab.region.pages is 7") != std::string::npos);
  std::get<0>(bad.tiers).region.pages = 0;
  CHECK(refused(bad).find("slab.region.pages is 0") != std::string::npos);
  std::get<0>(bad.tiers).region = {.base = memory.data(), .total = 8, .first = 9, .pages = 1};
  CHECK(refused(bad).find("slab.region.pages is 1") != std::string::npos);
}

TEST_CASE("split: the front is computed and the rear comes up", "[cache][split]")
{
  auto c = tiny_config<cutting>(8, 64);
  c.split.until = 10;  // in the middle of a page
  scene<cutting> s({.time = time_mode::virtual_time, .check_ordering = true}, c);
  s.serve(1, 24);
  s.serve(2, 32);
  const auto before = s.cache.tracker().read();
  auto lease = s.hold({{1, 26}});
  CHECK(is(lease.sources(0), 0, 16, 10));
  const outlook plan(lease.plan());
  CHECK(plan.recomputed == token_interval{0, 8});  // only whole pages
  CHECK(plan.fetches == std::vector{token_interval{8, 24}});
  REQUIRE(lease.compute(0).size() == 2);
  CHECK(lease.compute(0)[0] == token_interval{0, 8});
  CHECK(lease.compute(0)[1] == token_interval{24, 26});
  s.run_model(lease);
  lease.commit();
  lease.release();
  const auto after = s.cache.tracker().read();
  CHECK(after.recomputed_tokens - before.recomputed_tokens == 8);
  CHECK(after.onload_bytes[1] - before.onload_bytes[1] == 4 * tiny_page_bytes);
  CHECK(s.cache.stats().levels[1].resident_tokens == 24 + 32);  // it has kept the front, which did not go down again
  CHECK(is(s.serve(1, 26), 26, 0, 0));
}

TEST_CASE("split: a lease that is dropped leaves the front below and the rear on the device", "[cache][split]")
{
  auto c = tiny_config<cutting>(8, 64);
  c.split.until = 8;
  scene<cutting> s({.time = time_mode::virtual_time, .check_ordering = true}, c);
  s.serve(1, 24);
  s.serve(2, 32);
  s.hold({{1, 24}}).release();
  CHECK(s.look(1, 24).in_slab == token_interval{8, 24});
  CHECK(s.look(1, 24).recomputed == token_interval{0, 8});
  CHECK(s.cache.stats().levels[0].dropped_tokens == 0);
}

TEST_CASE("split: all of it may be computed again, and what the device has never is", "[cache][split]")
{
  auto c = tiny_config<cutting>(8, 64);
  c.split.until = 1000;
  scene<cutting> s({.time = time_mode::virtual_time, .check_ordering = true}, c);
  s.serve(1, 24);
  s.serve(2, 16);  // two pages of user 1 go
  CHECK(is(s.serve(1, 24), 16, 0, 8));
  CHECK(is(s.serve(2, 32), 8, 0, 24));
  CHECK(is(s.serve(1, 23), 0, 0, 23));
  CHECK(s.cache.tracker().read().onload_bytes[1] == 0);
  CHECK(s.cache.tracker().read().recomputed_tokens == 8 + 8 + 23);
}

TEST_CASE("an engine whose copies are over at once", "[cache][paths]")
{
  scene<tested<hybrid_layout, layerwise_transfer<at_once>, token_write_through>> s(8, 64);
  s.serve(1, 20);
  s.serve(2, 32);
  const request r = s.asks(1, 20);
  const auto out = s.cache.prefetch(r);
  REQUIRE(out);
  CHECK(out->tokens == 20);
  CHECK(s.cache.arrived(r.user));
  s.cache.wait_arrived_sync(r.user);
  CHECK(is(s.serve(1, 20), 20, 0, 0));
  s.serve(2, 32);
  CHECK(is(s.serve(1, 22), 0, 20, 2));  // the page that the model goes on in waits for nothing, too
}
