// What moving costs: one user's 8,192 tokens come up from the arena while a model computes, in real time over a link of
// 4 GB/s and 10 us a copy call.
//
//   copy engines       coalesced_copy against per_page_copy, both layerwise
//   transfer policies  layerwise_transfer against immediate_transfer, both coalesced
//
// The model is a stand-in that sleeps as long as a layer's KV travels, so that overlap can at best halve the time.
#include "support/paired.hpp"

#include <kvstrata/kvstrata.hpp>

#include <chrono>
#include <cstdio>
#include <thread>

namespace {

using namespace kvstrata;

constexpr geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 32, .element = element_type::f32};
constexpr token_count history = 8'192;
constexpr link_model link{.bytes_per_second = 4e9, .latency_seconds = 10e-6};
constexpr std::size_t user_bytes = history * shape.token_bytes();

template <class Transfer>
class served_from_host
{
 public:
  using cache_type =
      cache<tier_stack<device_slab<emulated_device, evict_whole>, pinned_arena<>>, hybrid_layout, Transfer, lru>;

  served_from_host()
      : device_({.to_device = link, .from_device = link}),
        cache_(device_, {.shape = shape, .tiers = {{.bytes = user_bytes}, {.bytes = 2 * user_bytes}}}),
        compute_(device_.create_stream("compute"))
  {
  }

  /// The slab holds one user: whoever comes was evicted by the other, and comes up from the arena.
  void serve()
  {
    const request r{.user = user_id{turn_++ % 2}, .history_tokens = history};
    auto lease = cache_.prepare({&r, 1}, compute_).value();
    for (layer_index layer = 0; layer < shape.layers; ++layer) {
      lease.wait(layer);
      device_.launch(compute_, {.label = "layer"}, [] { std::this_thread::sleep_for(layer_time); });
      lease.layer_done(layer);
    }
    lease.commit();
    lease.release();
    device_.wait_sync(device_.record(compute_));
  }

 private:
  static constexpr auto layer_time = std::chrono::duration<double>(user_bytes / 8 / 4e9);

  emulated_device device_;
  cache_type cache_;
  stream_id compute_;
  std::uint64_t turn_ = 0;
};

template <class Subject, class Baseline>
void compare(const char* what, const char* subject_name, const char* baseline_name)
{
  constexpr int turns = 8;
  served_from_host<Subject> subject;
  served_from_host<Baseline> baseline;
  const auto serve = [](auto& who) {
    for (int turn = 0; turn < turns; ++turn) who.serve();
  };
  bench::compare(what, {subject_name, [&] { serve(subject); }}, {baseline_name, [&] { serve(baseline); }}, turns,
                 "request", 7);
}

}  // namespace

int main()
{
  std::printf("one request: %.1f MB from the arena, at best %.2f ms on the link, as long again in the model\n\n",
              user_bytes / 1e6, user_bytes / 4e9 * 1e3);
  compare<layerwise_transfer<coalesced_copy>, layerwise_transfer<per_page_copy>>(
      "copy engines", "layerwise, coalesced_copy", "layerwise, per_page_copy");
  compare<layerwise_transfer<coalesced_copy>, immediate_transfer<coalesced_copy>>(
      "transfer policies", "layerwise_transfer", "immediate_transfer");
}
