// In virtual time, where arithmetic is exact: layer l computes while layer l + 1 travels, the host never waits, copies
// are as few as they should be, and a transfer policy that forgets an ordering is found out.
#include "support/catch.hpp"

#include <kvstrata/kvstrata.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;

constexpr std::uint32_t layers = 4;
constexpr token_count page_tokens = 4;
constexpr token_count history = 32;
constexpr page_count user_pages = history / page_tokens;
constexpr geometry shape{.layers = layers, .kv_heads = 1, .head_dim = 8, .element = element_type::f32};
constexpr std::size_t layer_bytes = history * shape.token_layer_bytes();  // of one user

/// A layer of one user travels in one second, and computes in one.
constexpr link_model second_per_layer{.bytes_per_second = layer_bytes};
constexpr double compute_seconds = 1;

/// The device holds one user, so that whoever comes was evicted by the one before, and comes up from the host.
template <class Transfer>
class one_user_device
{
 public:
  explicit one_user_device(emulated_device_config config = {})
      : device(timed(config)),
        cache_(device, {.shape = shape,
                        .device = {.bytes = user_pages * page_bytes(shape, page_tokens)},
                        .host = {.bytes = 4 * user_pages * page_bytes(shape, page_tokens)},
                        .layout = {.page_tokens = page_tokens, .chunk = history}}),
        compute(device.create_stream("compute"))
  {
  }

  /// Queues a batch of one; never waits for it.
  void serve(std::uint64_t user)
  {
    const request r{.user = user_id{user}, .history_tokens = history};
    auto lease = cache_.prepare({&r, 1}, compute).value();
    for (layer_index layer = 0; layer < layers; ++layer) {
      lease.wait(layer);
      std::vector<emulated_device::memory_range> pages;
      for (const page_id page : lease.view().page_ids) {
        pages.push_back({lease.view().page(layer, page), page_layer_bytes(shape, page_tokens)});
      }
      emulated_device::kernel work{.label = "layer", .seconds = compute_seconds};
      (lease.compute(0).empty() ? work.reads : work.writes) = pages;
      device.launch(compute, work, [] {});
      lease.layer_done(layer);
    }
    lease.commit();
    lease.release();
  }

  /// Waits for all that is queued on a stream.
  void finish(const std::string& stream = "compute")
  {
    const auto streams = device.stats().streams;
    const auto named = [&stream](const device_counters::stream& s) { return s.name == stream; };
    const auto index = std::find_if(streams.begin(), streams.end(), named) - streams.begin();
    device.wait_sync(device.record(static_cast<stream_id>(index)));
  }

  /// Both users are in the host tier, nothing is under way, and user 1 is on the device.
  void warm_up()
  {
    serve(0);
    serve(1);
    cache_.drain_sync();
    finish();
    device.clear_trace();
  }

  [[nodiscard]] std::vector<op_span> spans(const std::string& stream) const
  {
    std::vector<op_span> out;
    for (const op_span& span : device.trace()) {
      if (span.stream_name == stream) out.push_back(span);
    }
    std::sort(out.begin(), out.end(), [](const op_span& a, const op_span& b) { return a.begin < b.begin; });
    return out;
  }

  emulated_device device;

 private:
  static emulated_device_config timed(emulated_device_config config)
  {
    config.time = time_mode::virtual_time;
    config.to_device = config.from_device = second_per_layer;
    config.check_ordering = config.trace = config.poison_freed = true;
    return config;
  }

  cache<tier_stack<device_slab<emulated_device, evict_whole>, pinned_arena<>>, hybrid_layout, Transfer, lru> cache_;

 public:
  stream_id compute;
};

template <class Transfer>
double seconds_from_host()
{
  one_user_device<Transfer> served;
  served.warm_up();
  const double start = served.device.now();
  served.serve(0);
  served.finish();
  return served.device.now() - start;
}

TEST_CASE("a host hit takes the first layer's journey and all layers' compute, and no more")
{
  CHECK(seconds_from_host<layerwise_transfer<coalesced_copy>>() == layers + 1);
  CHECK(seconds_from_host<layerwise_transfer<per_page_copy>>() == layers + 1);
  CHECK(seconds_from_host<immediate_transfer<coalesced_copy>>() == 2 * layers);
}

TEST_CASE("layer l computes while layer l + 1 travels")
{
  one_user_device<layerwise_transfer<>> served;
  served.warm_up();
  served.serve(0);
  served.finish();
  const auto copies = served.spans("onload");
  const auto kernels = served.spans("compute");
  REQUIRE(copies.size() == layers);
  REQUIRE(kernels.size() == layers);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    CHECK(kernels[layer].begin == copies[layer].end);
    if (layer + 1 == layers) continue;
    CHECK(copies[layer + 1].begin == kernels[layer].begin);
    CHECK(copies[layer + 1].end == kernels[layer].end);
  }
}

TEST_CASE("layer l goes down while layer l + 1 computes")
{
  one_user_device<layerwise_transfer<>> served;
  served.serve(0);  // cold: all is computed, and written through
  served.finish();
  const auto kernels = served.spans("compute");
  REQUIRE(kernels.size() == layers);
  served.finish("offload");
  const auto copies = served.spans("offload");
  REQUIRE(copies.size() == layers);
  for (std::size_t layer = 0; layer < layers; ++layer) CHECK(copies[layer].begin == kernels[layer].end);
}

TEST_CASE("the host never waits in steady state, unless the transfer is immediate")
{
  one_user_device<layerwise_transfer<>> served;
  one_user_device<immediate_transfer<>> blocked;
  for (std::uint64_t turn = 0; turn < 50; ++turn) {
    served.serve(turn % 2);
    blocked.serve(turn % 2);
  }
  CHECK(served.device.stats().host_waits == 0);
  CHECK(served.device.now() == 0);
  CHECK(blocked.device.stats().host_waits >= 50);
  CHECK(blocked.device.now() > 0);
}

template <class Transfer>
void check_copies(std::uint64_t per_layer)
{
  one_user_device<Transfer> served;
  served.warm_up();
  const auto before = served.device.stats();
  CHECK(before.from_device.copies == 2 * layers * per_layer);
  CHECK(before.from_device.bytes == 2 * layers * layer_bytes);
  served.serve(0);
  served.finish();
  const auto after = served.device.stats();
  CHECK(after.to_device.copies - before.to_device.copies == layers * per_layer);
  CHECK(after.to_device.bytes - before.to_device.bytes == layers * layer_bytes);
  CHECK(after.from_device.copies == before.from_device.copies);  // clean: nothing to write
}

TEST_CASE("coalesced copies are one a run and layer, page copies one a page and layer")
{
  check_copies<layerwise_transfer<coalesced_copy>>(1);
  check_copies<immediate_transfer<coalesced_copy>>(1);
  check_copies<layerwise_transfer<per_page_copy>>(user_pages);
  check_copies<immediate_transfer<per_page_copy>>(user_pages);
}

template <class Transfer>
std::vector<ordering_violation> violations(std::uint64_t seed)
{
  one_user_device<Transfer> served({.seed = seed, .jitter_seconds = 3});
  for (std::uint64_t turn = 0; turn < 12; ++turn) served.serve((turn * 7 + seed) % 3);
  served.finish();
  return served.device.violations();
}

template <class Transfer>
void check_ordered()
{
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto found = violations<Transfer>(seed);
    INFO("seed " << seed << ": " << (found.empty() ? "" : to_string(found.front())));
    CHECK(found.empty());
  }
}

TEST_CASE("every transfer policy keeps every ordering, under every engine and write policy")
{
  check_ordered<layerwise_transfer<coalesced_copy, page_write_through>>();
  check_ordered<layerwise_transfer<coalesced_copy, chunk_write_through>>();
  check_ordered<layerwise_transfer<per_page_copy, page_write_through>>();
  check_ordered<layerwise_transfer<per_page_copy, chunk_write_through>>();
  check_ordered<immediate_transfer<coalesced_copy, page_write_through>>();
  check_ordered<immediate_transfer<coalesced_copy, chunk_write_through>>();
  check_ordered<immediate_transfer<per_page_copy, page_write_through>>();
  check_ordered<immediate_transfer<per_page_copy, chunk_write_through>>();
}

/// layerwise_transfer, but forgetful.
template <bool OnloadWaits, bool OffloadWaits>
struct forgetful_transfer
{
  using writes = page_write_through;

  template <device Device>
  class on
  {
   public:
    explicit on(Device& d) : right_(d) {}
    ticket onload(const copy_list& list, const fence& after)
    {
      return right_.onload(list, OnloadWaits ? after : fence{});
    }
    ticket offload(const copy_list& list, std::span<const event> ready, const fence& after)
    {
      return right_.offload(list, OffloadWaits ? ready : std::span<const event>{}, after);
    }

   private:
    typename layerwise_transfer<>::on<Device> right_;
  };
};

bool names_region(const std::vector<ordering_violation>& found, const std::string& region)
{
  return std::any_of(found.begin(), found.end(), [&region](const auto& v) { return v.region == region; });
}

TEST_CASE("a transfer policy that forgets an ordering is found out")
{
  CHECK(violations<forgetful_transfer<true, true>>(0).empty());
  SECTION("an onload that does not wait for the pages' last readers")
  {
    const auto found = violations<forgetful_transfer<false, true>>(0);
    CHECK(names_region(found, "slab"));   // written while an earlier user's kernel may still read
    CHECK(names_region(found, "arena"));  // read while its offload may still be under way
  }
  SECTION("an offload that does not wait for the compute that writes")
  {
    CHECK(names_region(violations<forgetful_transfer<true, false>>(0), "slab"));
  }
}

}  // namespace
