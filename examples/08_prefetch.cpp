// Prefetch: the KV of requests that wait in a queue comes up while another request computes.
//
// One server, one request at a time, a queue that it can look into. Every third request is a user's first, whose whole
// history is computed while the link has nothing to do; the others find theirs in the arena. The same
// queue is served without a prefetch, with one that lets a request go when its turn comes, and with one that lets it
// wait until 20 ms after it came. Some clients give up. Virtual time: the same figures on every machine.
#include <kvstrata/ahead/prefetcher.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/observe/counters.hpp>

#include <algorithm>
#include <cstdio>
#include <deque>

using namespace kvstrata;

constexpr geometry kv_shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
constexpr token_count history = 4096;  // 128 pages
constexpr std::uint64_t users = 60;
constexpr page_count most = 136;  // a user's, when served again

using cache_type = default_cache<emulated_device, lru, counters>;

struct server
{
  // 20 GB/s each way; no data, because only time matters here. The slab has room for six histories.
  emulated_device device{
      {.time = time_mode::virtual_time, .to_device = {20e9, 10e-6}, .from_device = {20e9, 10e-6}, .data = false}};
  stream_id compute = device.create_stream("compute");
  cache_type cache{device,
                   {.shape = kv_shape,
                    .tiers = {{.bytes = 6 * most * page_bytes(kv_shape, 32)},
                              {.bytes = 2 * users * most * page_bytes(kv_shape, 32)}}}};

  // `meanwhile` is what the server's loop does until the result is there.
  template <class Meanwhile>
  void serve(const request& r, Meanwhile&& meanwhile)
  {
    auto lease = cache.prepare({&r, 1}, compute).value();
    const double layer_seconds = lease.sources(0).computed > 64 ? 1e-3 : 0.2e-3;
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      lease.wait(layer);
      device.launch(compute, {.label = "layer", .seconds = layer_seconds}, [] {});
      lease.layer_done(layer);
    }
    lease.commit();
    lease.release();
    const event result = device.record(compute);
    while (!device.query(result)) {
      meanwhile();
      device.advance_host(100e-6);
    }
  }
};

struct outcome
{
  double seconds = 0;
  prefetch_figures ahead;
  counters::snapshot counted;
};

outcome run(page_count budget, stop_rule (*rule_at)(double))
{
  server s;
  for (std::uint64_t u = 0; u < users; ++u) {  // first visits
    s.serve({.user = user_id{u}, .history_tokens = history}, [] {});
  }
  s.cache.drain_sync();

  prefetcher<cache_type> ahead(s.cache, {.budget_pages = (std::max)(budget, page_count{1}),
                                         .displaced_pages = most,
                                         .step_pages = 32,
                                         .in_flight_steps = 4});
  std::deque<request> queue;
  std::uint64_t next = 0;
  const double from = s.device.now();
  while (next < users || !queue.empty()) {
    for (; next < users && queue.size() < 4; ++next) {  // as many as the server looks ahead
      const std::uint64_t user = next % 3 == 0 ? users + next : next;
      queue.push_back({.user = user_id{user}, .history_tokens = history + 64});
      if (budget != 0) ahead.launch(queue.back(), rule_at(s.device.now()));
    }
    if (next % 10 == 0 && queue.size() > 2) {  // a client gives up: what came for it goes again
      ahead.cancel(queue[2].user);
      queue.erase(queue.begin() + 2);
    }
    const request now = queue.front();
    queue.pop_front();
    while (!ahead.try_wait(now.user, s.device.now())) {
      ahead.poll(s.device.now());
      s.device.advance_host(100e-6);
    }
    ahead.take(now.user);
    s.serve(now, [&] { ahead.poll(s.device.now()); });
  }
  return {s.device.now() - from, ahead.figures(), s.cache.tracker().read()};
}

int main()
{
  const outcome plain = run(0, nullptr);
  const outcome best = run(320, [](double) { return stop_rule::best_effort(); });
  const outcome patient = run(320, [](double now) { return stop_rule::by(now + 20e-3); });
  const auto print = [](const char* name, const outcome& o) {
    std::printf(
        "%-12s %6.1f ms; of %7llu tokens queued ahead, %7llu were there in time and %6llu under way, "
        "%6llu were taken back; %7llu of others displaced\n",
        name, 1e3 * o.seconds, static_cast<unsigned long long>(o.ahead.queued_tokens),
        static_cast<unsigned long long>(o.ahead.saved_tokens), static_cast<unsigned long long>(o.ahead.late_tokens),
        static_cast<unsigned long long>(o.ahead.rolled_back_tokens),
        static_cast<unsigned long long>(o.ahead.displaced_tokens));
  };
  print("no prefetch", plain);
  print("best effort", best);
  print("deadline", patient);

  bool right = best.seconds < 0.8 * plain.seconds && patient.seconds < 0.8 * plain.seconds;
  for (const outcome& o : {best, patient}) {
    right = right && o.ahead.launched == o.ahead.taken + o.ahead.cancelled && o.ahead.cancelled != 0 &&
            o.ahead.rolled_back_tokens == o.counted.undone_tokens &&
            o.ahead.saved_tokens + o.ahead.late_tokens == o.counted.saved_tokens;
  }
  std::puts(right ? "Every token that was queued ahead was read, or taken back." : "FAILED");
  return right ? 0 : 1;
}
