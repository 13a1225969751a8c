// Overlap: the model computes layer l while layer l + 1 is still on its way.
//
// The same request, whose history lies in the arena, served twice: by immediate_transfer, which copies everything and
// waits, and by layerwise_transfer. The device keeps virtual time, so the picture is the same on every machine.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

using namespace kvstrata;

constexpr geometry kv_shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};

struct outcome
{
  double seconds = 0;
  std::uint64_t host_waits = 0;  ///< how often the host stood still between prepare and commit
  bool overlaps = false;         ///< did layer 0 compute before the last layer had arrived?
};

// A row for each stream; a digit is the layer that was moved or computed at that time.
void draw(const std::vector<op_span>& spans, double from, double to)
{
  constexpr std::size_t width = 72;
  for (const char* const stream : {"onload", "compute", "offload"}) {
    std::vector<op_span> mine;
    for (const op_span& s : spans) {
      if (s.stream_name == stream && s.kind != operation_kind::wait) mine.push_back(s);  // a wait is a stall
    }
    std::string row(width, '.');
    for (std::size_t i = 0; i < mine.size(); ++i) {
      const auto column = [&](double t) {
        return static_cast<std::size_t>(std::clamp((t - from) / (to - from), 0.0, 1.0) * width);
      };
      const char digit = static_cast<char>('0' + i * kv_shape.layers / mine.size());  // a layer may be several copies
      const std::size_t first = (std::min)(column(mine[i].begin), width - 1);
      std::fill(row.begin() + static_cast<std::ptrdiff_t>(first),
                row.begin() + static_cast<std::ptrdiff_t>((std::max)(column(mine[i].end), first + 1)), digit);
    }
    std::printf("  %-8s|%s|\n", stream, row.c_str());
  }
}

template <class Transfer>
outcome serve(const char* name)
{
  // 20 GB/s each way, 10 us a copy; no data, because only time matters here.
  emulated_device device({.time = time_mode::virtual_time,
                          .to_device = {20e9, 10e-6},
                          .from_device = {20e9, 10e-6},
                          .data = false,
                          .trace = true});
  const stream_id compute = device.create_stream("compute");
  const std::size_t page = page_bytes(kv_shape, 32);
  cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, hybrid_layout, Transfer, lru> cache(
      device, {.shape = kv_shape, .tiers = {{.bytes = 300 * page}, {.bytes = 1000 * page}}});

  const auto request_of = [&](std::uint64_t user, token_count history, double layer_seconds) {
    const request batch[] = {{.user = user_id{user}, .history_tokens = history}};
    auto lease = cache.prepare(batch, compute).value();
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      lease.wait(layer);  // on the device, not here
      device.launch(compute, {.label = "layer", .seconds = layer_seconds}, [] {});
      lease.layer_done(layer);
    }
    lease.commit();
  };
  request_of(1, 8192, 1e-3);
  request_of(2, 9600, 1e-3);  // needs the whole slab: user 1 is in the arena only
  cache.drain_sync();

  device.clear_trace();
  const double from = device.now();
  const std::uint64_t waits = device.stats().host_waits;
  request_of(1, 8256, 0.8e-3);
  outcome result;
  result.host_waits = device.stats().host_waits - waits;
  device.wait_sync(device.record(compute));
  const double to = device.now();
  result.seconds = to - from;
  cache.close();

  const std::vector<op_span> spans = device.trace();
  double first_compute = to;
  double last_onload = from;
  for (const op_span& s : spans) {
    if (s.kind == operation_kind::kernel) first_compute = (std::min)(first_compute, s.begin);
    if (s.kind == operation_kind::copy_to_device) last_onload = (std::max)(last_onload, s.end);
  }
  result.overlaps = first_compute < last_onload;
  std::printf("%s: %.2f ms, the host stood still %llu times\n", name, 1e3 * result.seconds,
              static_cast<unsigned long long>(result.host_waits));
  draw(spans, from, to);
  return result;
}

int main()
{
  const outcome slow = serve<immediate_transfer<>>("immediate_transfer");
  const outcome fast = serve<layerwise_transfer<>>("layerwise_transfer");
  const bool right = !slow.overlaps && fast.overlaps && fast.host_waits == 0 && slow.host_waits > 0 &&
                     fast.seconds < 0.7 * slow.seconds;
  std::printf(right ? "Layer by layer takes %.0f %% of the time.\n" : "FAILED: %.0f %% of the time\n",
              100 * fast.seconds / slow.seconds);
  return right ? 0 : 1;
}
