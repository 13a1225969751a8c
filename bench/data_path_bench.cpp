// The data path in one table: every layout x copy engine x page size, onload of one history from the arena.
//
//   memcpy    bytes per second in real time, on the emulated device with links that cost nothing, as a share of one
//             memcpy of the same bytes right before it, the median of five: what the engine and the device's queues
//             cost by themselves
//   calls, pieces  copy calls a layer, and contiguous pieces in them
//   exposed   how long the model stands still for copies, in virtual time on an H200 with PCIe 5 (figures below), for
//             MTServe's shape (8,192 tokens, 512 candidates) and NVIDIA's (4,096 tokens, 256 candidates)
//
// The slab's free pages are scattered: no two of them lie side by side, as on a slab that evict_front has used for
// long. The last block has them side by side.
#include "support/host_hit.hpp"
#include "support/lone_hit.hpp"
#include "support/paired.hpp"

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace kvstrata;

constexpr geometry small_shape{.layers = 4, .kv_heads = 4, .head_dim = 128};
constexpr token_count small_history = 4'096;  // 32 MiB

struct cell
{
  double share = 0;
  double calls = 0;
  double pieces = 0;
  double exposed[2] = {};  // seconds: MTServe's shape, NVIDIA's
};

/// One memcpy of the same bytes between memory that has been touched: the ceiling, measured beside every cell.
class plain_copy
{
 public:
  explicit plain_copy(std::size_t bytes) : from_(bytes, std::byte{1}), to_(bytes) {}
  [[nodiscard]] double seconds()
  {
    return bench::seconds_of([this] { std::memcpy(to_.data(), from_.data(), to_.size()); });
  }

 private:
  std::vector<std::byte> from_, to_;
};

template <class Cache, class Set>
double exposed_seconds(const model_shape& model, token_count history, bench::free_pages pages, Set&& set)
{
  bench::host_hit<Cache> subject(device_of(bench::h200_pcie5()), model.kv, history, pages, set);
  const cost_model cost = cost_model::of(figures_of(bench::h200_pcie5()), model.hidden, model.kv);
  const auto stalled = [&] {
    return subject.device().stats().streams[static_cast<std::size_t>(subject.compute())].stall_seconds;
  };
  const double before = stalled();
  subject.hit([&](layer_index, auto& lease) {
    const double seconds = layer_seconds(cost, model.candidates, lease.compute(0), history);
    subject.device().launch(subject.compute(), {.label = "layer", .seconds = seconds}, [] {});
  });
  return stalled() - before;
}

template <class Cache, class Set>
cell measure(bench::free_pages pages, plain_copy& ceiling, Set&& set)
{
  cell out;
  std::vector<double> shares;
  for (int turn = 0; turn < 5; ++turn) {
    bench::host_hit<Cache> subject({}, small_shape, small_history, pages, set);
    const auto before = subject.device().stats();
    const double plain = ceiling.seconds();
    shares.push_back(plain / bench::seconds_of([&] { subject.hit([](layer_index, auto&) {}); }));
    const auto after = subject.device().stats();
    const bool by_kernel = after.to_device.copies == before.to_device.copies;
    out.calls = static_cast<double>(by_kernel ? after.kernels - before.kernels
                                              : after.to_device.copies - before.to_device.copies) /
                small_shape.layers;
    out.pieces = static_cast<double>(after.to_device.pieces - before.to_device.pieces) / small_shape.layers;
  }
  out.share = bench::spread_of(shares).median;
  out.exposed[0] = exposed_seconds<Cache>(bench::h200_pcie5().model, 8'192, pages, set);
  out.exposed[1] = exposed_seconds<Cache>(bench::nvidia_shape, 4'096, pages, set);
  return out;
}

template <class Layout, class Engine>
using cache_of = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, Layout,
                       layerwise_transfer<onload_by<Engine>, offload_by<coalesced_copy>>, lru>;

constexpr const char* engine_names[] = {"per_page", "coalesced", "batched", "staged", "window", "kernel"};

/// One line: all engines.
template <class Layout, class Set>
void line(const char* name, token_count page, bench::free_pages pages, plain_copy& ceiling, Set&& set)
{
  const cell cells[] = {measure<cache_of<Layout, per_page_copy>>(pages, ceiling, set),
                        measure<cache_of<Layout, coalesced_copy>>(pages, ceiling, set),
                        measure<cache_of<Layout, batched_copy<>>>(pages, ceiling, set),
                        measure<cache_of<Layout, staged_copy<>>>(pages, ceiling, set),
                        measure<cache_of<Layout, window_copy<>>>(pages, ceiling, set),
                        measure<cache_of<Layout, kernel_copy<>>>(pages, ceiling, set)};
  const auto row = [&](const char* what, auto&& text) {
    std::printf("%-20s %4u %-13s", name, page, what);
    for (const cell& c : cells) std::printf(" %13s", text(c).c_str());
    std::printf("\n");
  };
  char buffer[64];
  const auto format = [&buffer](const char* how, auto... values) {
    std::snprintf(buffer, sizeof buffer, how, values...);
    return std::string(buffer);
  };
  row("memcpy", [&](const cell& c) { return format("%.0f %%", 100 * c.share); });
  row("calls, pieces", [&](const cell& c) { return format("%.0f, %.0f", c.calls, c.pieces); });
  row("exposed, ms", [&](const cell& c) { return format("%.2f, %.2f", 1e3 * c.exposed[0], 1e3 * c.exposed[1]); });
}

void block(bench::free_pages pages, std::initializer_list<token_count> page_sizes, plain_copy& ceiling)
{
  std::printf("%-20s %4s %-13s", "layout", "page", "");
  for (const char* engine : engine_names) std::printf(" %13s", engine);
  std::printf("\n");
  for (const token_count page : page_sizes) {
    const auto paged = [page](page_order order) {
      return [page, order](auto& c) { c.layout = {.page_tokens = page, .host_order = order}; };
    };
    const auto hybrid = [page](page_order order) {
      return [page, order](auto& c) { c.layout = {.page_tokens = page, .chunk = 1'024, .host_order = order}; };
    };
    line<paged_layout>("paged, page first", page, pages, ceiling, paged(page_order::page_first));
    line<paged_layout>("paged, layer first", page, pages, ceiling, paged(page_order::layer_first));
    line<hybrid_layout>("hybrid, page first", page, pages, ceiling, hybrid(page_order::page_first));
    line<hybrid_layout>("hybrid, layer first", page, pages, ceiling, hybrid(page_order::layer_first));
    line<contiguous_layout>("contiguous", page, pages, ceiling,
                            [page](auto& c) { c.layout = {.page_tokens = page, .longest = 8'192}; });
  }
}

}  // namespace

int main()
{
  const std::size_t bytes = small_history * small_shape.token_bytes();
  plain_copy ceiling(bytes);
  static_cast<void>(ceiling.seconds());
  std::printf("one memcpy of %.0f MiB: %.1f GB/s; the emulated device copies on a thread a stream\n\n",
              static_cast<double>(bytes) / (1 << 20), static_cast<double>(bytes) / ceiling.seconds() / 1e9);
  std::printf("free pages scattered: no two side by side\n");
  block(bench::free_pages::scattered, {16, 32, 64, 128}, ceiling);
  std::printf("\nfree pages side by side\n");
  block(bench::free_pages::together, {32}, ceiling);
}
