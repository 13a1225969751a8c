// Compute streams stay apart where there is a store: neither what goes there nor what comes from there waits for another
// stream's kernels.
#include "cache/streams_bed.hpp"

#include <kvstrata/device/arrival.hpp>
#include <kvstrata/tiers/memory_store.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

using store = memory_store<told_policy>;
using keeping = told_cache<layerwise_transfer<told_engine>, told_arena, store>;

constexpr double quick = 1e-4, slow = 100;

struct shop
{
  shop()
      : device(busy_links()),
        shelf(device, {.lanes = 4, .least_seconds = 1e-3, .most_seconds = 1e-3}),
        cache(device, config())
  {
  }
  ~shop() { CHECK(device.violations().empty()); }

  keeping::config config()
  {
    keeping::config c{.shape = tiny};
    c.layout = {.page_tokens = tiny_page, .chunk = tiny_chunk};
    std::get<0>(c.tiers).bytes = 44 * tiny_page_bytes;
    std::get<1>(c.tiers).bytes = 40 * tiny_page_bytes;
    std::get<2>(c.tiers).store = &shelf;
    c.stores.room_bytes = 128 * tiny_page_bytes;
    return c;
  }

  /// How long it takes until what is on its way has come and all is computed; with `waits` false all is queued only.
  double serve(stream_id on, std::uint64_t user, double layer_seconds, bool waits = true)
  {
    const double begin = device.now();
    const request one{.user = user_id{user}, .history_tokens = 20};
    for (;;) {
      auto lease = cache.prepare({&one, 1}, on);
      if (!lease) {
        device.wait_sync(arrival_of(lease.why()));
        continue;
      }
      staged += lease->sources(0).fetched();
      for (layer_index l = 0; l < tiny.layers; ++l) {
        lease->wait(l);
        device.launch(on, {.label = "layer", .seconds = layer_seconds}, [] {});
        lease->layer_done(l);
      }
      lease->finish();
      break;
    }
    if (waits) device.wait_sync(device.record(on));
    return device.now() - begin;
  }

  emulated_device device;
  stream_id a = device.create_stream("a"), b = device.create_stream("b");
  store::on<emulated_device> shelf;
  keeping cache;
  token_count staged = 0;
};

[[nodiscard]] std::vector<double> tell(bool busy)
{
  shop s;
  for (std::uint64_t user = 1; user <= 12; ++user) s.serve(s.b, user, quick);
  s.cache.drain_sync();
  s.serve(s.a, 101, busy ? slow : 0, false);  // of a second user, what was evicted for them lies behind these kernels
  if (busy) s.device.advance_host(1);
  else s.cache.drain_sync();
  s.cache.poll();
  s.staged = 0;
  std::vector<double> out;
  // One more, and the arena would have to give up what the other stream has yet to write.
  for (const std::uint64_t user : {1U, 2U, 21U, 1U}) out.push_back(s.serve(s.b, user, quick));
  CHECK(s.staged == 40);  // 1 and 2 came from the store
  s.cache.drain_sync();
  return out;
}

}  // namespace

TEST_CASE("a store takes and gives as ever while another stream computes", "[cache][streams][stores]")
{
  way_now = way::batched;
  for (const policy p : {policy::token, policy::back}) {
    INFO(policy_names[static_cast<std::size_t>(p)]);
    policy_now = p;
    const std::vector<double> idle = tell(false), busy = tell(true);
    REQUIRE(idle.size() == busy.size());
    for (std::size_t i = 0; i < idle.size(); ++i) {
      CAPTURE(i);
      CHECK(busy[i] <= idle[i] + 1e-9);
    }
  }
}
