// Admission: who may come into a memory at all.
//
// Sixty users come back, ten visitors come once for each of theirs. The arena below the slab has room for the sixty only while the
// visitors stay out of it. Each policy stands at the arena's door; who is turned away is not lost, but computed again if they
// come back after all. Virtual time, without data: the same figures on every machine.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/replacement/admission/second_use.hpp>
#include <kvstrata/replacement/admission/tiny_lfu.hpp>

#include <cstdint>
#include <cstdio>
#include <vector>

using namespace kvstrata;
using D = emulated_device;

// Ours: whoever has been requested on two days of the last week. It hears of requests, so it knows of those whom the tier has not.
// What it allocates it allocates at construction: a table by user, in which a newcomer takes the place of whoever was there.
class seen_on_two_days
{
 public:
  using option_kind = admission_option;

  explicit seen_on_two_days(const tier_size& size) : seen_(4 * size.objects + 1) {}

  void requested(const object_info& info) noexcept
  {
    const std::int64_t day = info.time_ms / 86'400'000;
    days& d = seen_[to_number(info.user) % seen_.size()];
    if (d.user != info.user) d = {info.user, day, never};
    else if (d.last != day) d = {info.user, day, d.last};
  }
  [[nodiscard]] bool admits(const object_info& candidate, const object_info*) const noexcept
  {
    const days& d = seen_[to_number(candidate.user) % seen_.size()];
    return d.user == candidate.user && d.last - d.before <= 7;
  }

 private:
  static constexpr std::int64_t never = -1000;
  struct days
  {
    user_id user{};
    std::int64_t last = never;
    std::int64_t before = 2 * never;
  };
  std::vector<days> seen_;
};
static_assert(admission_policy<seen_on_two_days>);

constexpr geometry kv_shape{.layers = 4, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr std::size_t page = page_bytes(kv_shape, 32);

template <class Admission>
counters::snapshot serve(const char* name)
{
  using cache_type = cache<tier_stack<device_slab<D, evict_whole>, pinned_arena<write_back, evict_whole, Admission>>,
                           hybrid_layout, layerwise_transfer<batched_copy<>>, lru, counters>;
  D device({.time = time_mode::virtual_time, .to_device = {10e9, 8e-6}, .from_device = {10e9, 8e-6}, .data = false});
  const stream_id compute = device.create_stream("compute");
  cache_type cache(device, {.shape = kv_shape, .tiers = {{.bytes = 60 * page}, {.bytes = 900 * page}}});
  std::uint64_t stranger = 1000;
  std::int64_t time_ms = 0;
  const auto visit = [&](std::uint64_t user, token_count history) {
    const request batch[] = {{.user = user_id{user}, .history_tokens = history, .time_ms = time_ms}};
    auto lease = cache.prepare(batch, compute).value();
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      lease.wait(layer);
      device.launch(compute, {.label = "layer", .seconds = 50e-6}, [] {});
      lease.layer_done(layer);
    }
    lease.finish();
    device.wait_sync(device.record(compute));
    time_ms += 100'000;
  };
  for (token_count day = 0; day < 10; ++day) {
    for (std::uint64_t user = 0; user < 60; ++user) {
      visit(user, 300 + 10 * day);
      for (int i = 0; i < 10; ++i) visit(stranger++, 200);
    }
  }
  cache.drain_sync();
  const counters::snapshot seen = cache.tracker().read();
  std::printf("%-18s %12.1f %16llu %14llu\n", name, 1e-6 * static_cast<double>(seen.offload_bytes[1]),
              static_cast<unsigned long long>(seen.served_tokens[1]),
              static_cast<unsigned long long>(seen.computed_tokens));
  return seen;
}

int main()
{
  std::printf("%-18s %12s %16s %14s\n", "", "MB down", "from the arena", "computed");
  const auto all = serve<always>("always");
  const auto second = serve<second_use>("second_use");
  const auto lfu = serve<tiny_lfu>("tiny_lfu");
  const auto days = serve<seen_on_two_days>("seen_on_two_days");

  // second_use remembers as much as would fill the arena: with ten strangers between, nobody long enough.
  const bool right = second.offload_bytes[1] == 0 && days.served_tokens[1] > all.served_tokens[1] &&
                     lfu.served_tokens[1] > all.served_tokens[1] && days.offload_bytes[1] < all.offload_bytes[1] / 4 &&
                     days.computed_tokens < all.computed_tokens;
  std::puts(right ? "Whom a door keeps out, nobody has to make room for."
                  : "FAILED: the figures contradict each other");
  return right ? 0 : 1;
}
