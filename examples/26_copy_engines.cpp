// Copy engines: one list of pages, carried out in several ways.
//
// A user's pages lie scattered in the slab and in the arena, as they do when others have come and gone between. Each engine brings them
// up for one request; what differs is how many calls the host makes and how long the link is held. Virtual time: 20 GB/s, 10 us a
// call, 0.3 us for each piece of a batch.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>

#include <cstdio>
#include <span>
#include <vector>

using namespace kvstrata;

// Ours: batches of at most Bytes, so that whoever else wants the link gets it between two of them. A layer that is smaller goes in
// one. An engine owns its stream, tells a fence once, and returns the point at which all of the layer has arrived.
template <std::size_t Bytes>
struct short_batches
{
  using option_kind = copy_engine_option;

  template <device Device>
  class on
  {
   public:
    on(Device& d, copy_direction direction)
        : device_(&d), direction_(direction), stream_(create_copy_stream(d, copy_stream_name(direction)))
    {
    }

    [[nodiscard]] copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      copied out;
      if (list.empty()) return out;
      wait_for(*device_, stream_, after);
      batch_.clear();
      std::size_t bytes = 0;
      each_piece(list, layer, true, [&](const copy_piece& piece) {
        if (!batch_.empty() && bytes + piece.bytes > Bytes) {
          send(out);
          bytes = 0;
        }
        batch_.push_back(piece);
        bytes += piece.bytes;
      });
      send(out);
      out.done = device_->record(stream_);
      return out;
    }

    void drain_sync() noexcept { drain_stream_sync(*device_, stream_); }

   private:
    void send(copied& out)
    {
      device_->copy_batch(stream_, direction_, batch_);
      ++out.calls;
      out.pieces += batch_.size();
      batch_.clear();
    }

    Device* device_;
    copy_direction direction_;
    stream_id stream_;
    std::vector<copy_piece> batch_;
  };
};
static_assert(copy_engine<short_batches<1 << 20>, emulated_device>);

constexpr geometry kv_shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
constexpr std::size_t page = page_bytes(kv_shape, 32);

struct outcome
{
  std::uint64_t calls = 0;
  std::uint64_t pieces = 0;
  double seconds = 0;
};

template <class Engine>
outcome serve(const char* name)
{
  using cache_type = cache<tier_stack<device_slab<emulated_device, evict_whole>, pinned_arena<>>, paged_layout,
                           layerwise_transfer<onload_by<Engine>, offload_by<batched_copy<>>>, lru, counters>;
  emulated_device device({.time = time_mode::virtual_time,
                          .to_device = {20e9, 10e-6, 0.3e-6},
                          .from_device = {20e9, 10e-6, 0.3e-6},
                          .data = false});
  const stream_id compute = device.create_stream("compute");
  cache_type cache(device, {.shape = kv_shape, .tiers = {{.bytes = 240 * page}, {.bytes = 900 * page}}});
  const auto visit = [&](std::uint64_t user, token_count history) {
    const request batch[] = {{.user = user_id{user}, .history_tokens = history}};
    auto lease = cache.prepare(batch, compute).value();
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      lease.wait(layer);
      device.launch(compute, {.label = "layer", .seconds = 20e-6}, [] {});
      lease.layer_done(layer);
    }
    lease.finish();
    device.wait_sync(device.record(compute));
  };
  for (token_count history = 64; history <= 64 * 48; history += 64) {  // two that grow in turn: pages lie in turn, too
    visit(1, history);
    visit(2, history);
  }
  visit(3, 240 * 32);  // needs the whole slab: the others are in the arena only
  cache.drain_sync();

  const counters::snapshot before = cache.tracker().read();
  const double from = device.now();
  visit(1, 64 * 48 + 32);
  const counters::snapshot seen = cache.tracker().read();
  const outcome out{seen.onload_copies - before.onload_copies, seen.onload_pieces - before.onload_pieces,
                    device.now() - from};
  std::printf("%-24s %6llu %8llu %10.2f\n", name, static_cast<unsigned long long>(out.calls),
              static_cast<unsigned long long>(out.pieces), 1e3 * out.seconds);
  return out;
}

int main()
{
  std::printf("%-24s %6s %8s %10s\n", "", "calls", "pieces", "ms");
  const outcome each = serve<per_page_copy>("per_page_copy");
  const outcome runs = serve<coalesced_copy>("coalesced_copy");
  const outcome batch = serve<batched_copy<>>("batched_copy");
  const outcome mine = serve<short_batches<(1 << 20)>>("short_batches<1 MiB>");

  const bool right = batch.calls < mine.calls && mine.calls < runs.calls && runs.calls <= each.calls &&
                     batch.seconds < mine.seconds && mine.seconds < runs.seconds && batch.calls == kv_shape.layers;
  std::puts(right ? "The same bytes by fewer calls." : "FAILED: the figures contradict each other");
  return right ? 0 : 1;
}
