// Compute streams stay apart on a cuda_device, too: one serves while another one's kernels stand still, held by a gate.
#include "cache/scene.hpp"
#include "cuda/cuda_bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/cache.hpp>

#include <cstdint>

using namespace kvstrata;
using namespace kvstrata_test;

TEST_CASE("cuda: a stream serves while another one's kernels stand still", "[cuda][streams]")
{
  using cache_type = default_cache<cuda_device>;
  cuda_device d;
  device_bed<cuda_device> bed(d);
  const stream_id a = d.create_stream("a"), b = d.create_stream("b");
  cache_type c(d, tiny_config<cache_type>(40, 200));
  const auto serve = [&](stream_id on, std::uint64_t user, token_count history) {
    const request one{.user = user_id{user}, .history_tokens = history};
    auto lease = c.prepare({&one, 1}, on).value();
    for (layer_index l = 0; l < tiny.layers; ++l) {
      lease.wait(l);
      lease.layer_done(l);
    }
    lease.finish();
    return d.record(on);
  };
  for (std::uint64_t user = 1; user <= 4; ++user) static_cast<void>(serve(b, user, 40));  // the first goes below
  c.drain_sync();

  gate_keeper gate = bed.hold(a);
  const event late = serve(a, 9, 24);
  for (token_count more = 1; more <= 8; ++more) {
    for (const std::uint64_t user : {4U, 1U}) {  // in the slab, and from below
      const event done = serve(b, user, 40 + more);
      REQUIRE(comes_true([&] { return d.query(done); }));
    }
  }
  CHECK_FALSE(d.query(late));
  CHECK(c.stats().levels[0].waited_pages == 0);
  gate.open();
  c.drain_sync();
  CHECK(d.query(late));
}
