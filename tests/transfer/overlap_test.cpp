// In virtual time: layer l computes while layer l + 1 travels, offloads start while later layers compute, and the host never
// waits in steady state. Every cost is a power of two, so times are compared exactly.
#include "cache/scene.hpp"

#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

constexpr double unit = 1.0 / 1024;
constexpr geometry deep{.layers = 8, .kv_heads = 1, .head_dim = 4, .element = element_type::bf16};
constexpr std::size_t deep_page_bytes = tiny_page * deep.token_bytes();

template <class Transfer>
using cache_with =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout, Transfer, lru, counters>;

/// A cache of 16 pages over 64, chunks of 16 pages: a user's layer is one copy, which takes `copy_seconds`.
template <class Transfer>
struct pipeline
{
  using cache_type = cache_with<Transfer>;

  pipeline(double copy_seconds, double kernel_seconds)
      : device({.time = time_mode::virtual_time,
                .to_device = {.latency_seconds = copy_seconds},
                .from_device = {.latency_seconds = copy_seconds},
                .check_ordering = true,
                .trace = true}),
        compute(device.create_stream("compute")),
        cache(device, {.shape = deep,
                       .tiers = {{.bytes = 16 * deep_page_bytes,
                                  .window_bytes = Transfer::lands_in_window ? 8 * deep_page_bytes : 0},
                                 {.bytes = 64 * deep_page_bytes}},
                       .layout = {.page_tokens = tiny_page, .chunk = 16 * tiny_page}}),
        kernel_seconds_(kernel_seconds)
  {
  }

  /// Queues one user's batch; the host does not wait.
  token_sources serve(unsigned user, token_count history)
  {
    const request r{.user = user_id{user}, .history_tokens = history};
    auto lease = cache.prepare({&r, 1}, compute).value();
    const page_table_view view = lease.view();
    for (layer_index layer = 0; layer < deep.layers; ++layer) {
      lease.wait(layer);
      std::vector<emulated_device::memory_range> read, written;
      for (token_count page = 0; page < view.page_ids.size(); ++page) {
        bool computed = false;
        for (const token_interval piece : lease.compute(0)) {
          computed = computed || !intersect(piece, {page * tiny_page, (page + 1) * tiny_page}).empty();
        }
        (computed ? written : read)
            .push_back({view.page(layer, view.page_ids[page]), page_layer_bytes(deep, tiny_page)});
      }
      const std::string label = "layer " + std::to_string(layer);
      const emulated_device::kernel what{.label = label, .seconds = kernel_seconds_, .reads = read, .writes = written};
      device.launch(compute, what, [] {});
      lease.layer_done(layer);
    }
    lease.commit();
    return lease.sources(0);
  }

  /// The virtual seconds from the call until the model's last layer is computed.
  double seconds_of(unsigned user, token_count history)
  {
    cache.drain_sync();
    device.wait_sync(device.record(compute));
    device.clear_trace();
    const double begin = device.now();
    sources = serve(user, history);
    device.wait_sync(device.record(compute));
    return device.now() - begin;
  }

  [[nodiscard]] std::vector<op_span> spans(operation_kind kind) const
  {
    std::vector<op_span> out;
    for (const op_span& s : device.trace()) {
      if (s.kind == kind) out.push_back(s);
    }
    std::sort(out.begin(), out.end(), [](const op_span& a, const op_span& b) { return a.begin < b.begin; });
    return out;
  }

  emulated_device device;
  stream_id compute;
  cache_type cache;
  token_sources sources;

 private:
  double kernel_seconds_;
};

/// User 1 in the arena alone.
template <class Transfer>
void push_down(pipeline<Transfer>& p)
{
  p.serve(1, 64);
  p.serve(2, 64);
}

}  // namespace

TEST_CASE("a layerwise onload overlaps: the time is that of the longer of copies and kernels, and one more",
          "[transfer][time]")
{
  struct costs
  {
    double copy, kernel;
  };
  for (const costs c :
       {costs{unit, unit}, costs{unit, 4 * unit}, costs{4 * unit, unit}, costs{unit, 0}, costs{0, unit}}) {
    CAPTURE(c.copy, c.kernel);
    pipeline<layerwise_transfer<>> ours(c.copy, c.kernel);
    push_down(ours);
    const double overlapped = ours.seconds_of(1, 64);
    REQUIRE(is(ours.sources, 0, 64, 0));
    CHECK(overlapped == c.copy + (deep.layers - 1) * std::max(c.copy, c.kernel) + c.kernel);

    pipeline<immediate_transfer<>> baseline(c.copy, c.kernel);
    push_down(baseline);
    const double one_after_the_other = baseline.seconds_of(1, 64);
    REQUIRE(is(baseline.sources, 0, 64, 0));
    CHECK(one_after_the_other == deep.layers * (c.copy + c.kernel));
    if (c.copy > 0 && c.kernel > 0) CHECK(overlapped < one_after_the_other);
    CHECK(ours.device.violations().empty());
    CHECK(baseline.device.violations().empty());
  }
}

TEST_CASE("layer l computes while layer l + 1 travels", "[transfer][time]")
{
  pipeline<layerwise_transfer<>> p(unit, unit);
  push_down(p);
  p.seconds_of(1, 64);
  const auto kernels = p.spans(operation_kind::kernel);
  const auto copies = p.spans(operation_kind::copy_to_device);
  REQUIRE(kernels.size() == deep.layers);
  REQUIRE(copies.size() == deep.layers);
  for (layer_index l = 0; l < deep.layers; ++l) {
    CHECK(kernels[l].label == "layer " + std::to_string(l));
    CHECK(copies[l].bytes == 16 * page_layer_bytes(deep, tiny_page));
    CHECK(copies[l].end <= kernels[l].begin);
    if (l + 1 == deep.layers) break;
    CHECK(copies[l + 1].begin == kernels[l].begin);
    CHECK(copies[l + 1].end == kernels[l].end);
  }
}

TEST_CASE("an immediate transfer overlaps nothing", "[transfer][time]")
{
  pipeline<immediate_transfer<>> p(unit, unit);
  push_down(p);
  p.seconds_of(1, 64);
  const auto kernels = p.spans(operation_kind::kernel);
  const auto copies = p.spans(operation_kind::copy_to_device);
  REQUIRE(kernels.size() == deep.layers);
  REQUIRE(copies.size() == deep.layers);
  CHECK(copies.back().end <= kernels.front().begin);
}

TEST_CASE("layer l is written down while later layers compute", "[transfer][time]")
{
  pipeline<layerwise_transfer<>> p(unit, unit);
  p.seconds_of(1, 64);
  p.cache.drain_sync();
  const auto kernels = p.spans(operation_kind::kernel);
  const auto copies = p.spans(operation_kind::copy_from_device);
  REQUIRE(kernels.size() == deep.layers);
  REQUIRE(copies.size() == deep.layers);
  for (layer_index l = 0; l < deep.layers; ++l) CHECK(copies[l].begin == kernels[l].end);
  CHECK(copies.front().begin < kernels.back().begin);
  // The whole takes one copy longer than the kernels alone.
  CHECK(copies.back().end - kernels.front().begin == (deep.layers + 1) * unit);
}

TEST_CASE("an onload and an offload use both directions at once", "[transfer][time]")
{
  pipeline<layerwise_transfer<>> p(unit, unit);
  push_down(p);
  p.serve(3, 30);  // two tokens more than whole pages: what user 1 evicts of user 3 must go down first
  p.seconds_of(1, 64);
  p.cache.drain_sync();
  CHECK(p.cache.stats().levels[0].dropped_tokens == 0);
  CHECK(p.device.violations().empty());
}

TEST_CASE("the host never waits in steady state", "[transfer][time]")
{
  const auto waits = [](auto& p) {
    for (unsigned i = 0; i < 200; ++i) {  // 5 users in turn on a device that holds 2: all come back from below
      p.serve(1 + i % 5, 28 + i % 7);
      if (i % 3 == 0) p.device.advance_host(5 * unit);
    }
    CHECK(p.cache.tracker().read().served_tokens[1] > 1000);
    CHECK(p.cache.tracker().read().evicted_tokens[0] > 1000);
    CHECK(p.device.violations().empty());
    return p.device.stats().host_waits;
  };
  pipeline<layerwise_transfer<>> ours(unit, unit);
  CHECK(waits(ours) == 0);
  ours.device.wait_sync(ours.device.record(ours.compute));  // the client's own
  CHECK(ours.device.stats().host_waits == 1);

  pipeline<immediate_transfer<>> baseline(unit, unit);
  CHECK(waits(baseline) > 200);
}

TEMPLATE_TEST_CASE("the host never waits, whatever the engine", "[transfer][time]", per_page_copy, (batched_copy<4>),
                   (staged_copy<1024, 2>), kernel_copy<>, window_copy<>)
{
  pipeline<layerwise_transfer<TestType>> p(unit, unit);
  for (unsigned i = 0; i < 60; ++i) p.serve(1 + i % 5, 28 + i % 7);
  CHECK(p.cache.tracker().read().served_tokens[1] > 300);
  CHECK(p.device.stats().host_waits == 0);
  p.device.wait_sync(p.device.record(p.compute));
  CHECK(p.device.violations().empty());
}

TEST_CASE("erase, prefetch and an advance of the epoch do not wait either", "[transfer][time]")
{
  pipeline<layerwise_transfer<>> p(unit, unit);
  for (unsigned i = 0; i < 60; ++i) {
    p.serve(1 + i % 5, 30);
    const request next{.user = user_id{1 + (i + 1) % 5}, .history_tokens = 30};
    static_cast<void>(p.cache.prefetch(next));
    if (i % 7 == 0) p.cache.erase(user_id{1 + i % 5});
    static_cast<void>(p.cache.stats());
  }
  p.cache.advance_epoch(epoch_id{1});
  CHECK(p.device.stats().host_waits == 0);
  CHECK(p.device.violations().empty());
}
