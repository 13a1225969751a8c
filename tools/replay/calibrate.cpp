#include "replay/calibrate.hpp"

#include "hstu/flops.hpp"
#include "hstu/recompute.hpp"

#include <kvstrata/transfer/calibrate.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace replay {
namespace {

using clock = std::chrono::steady_clock;

double since(clock::time_point begin) { return std::chrono::duration<double>(clock::now() - begin).count(); }

double compute_rate(const workload& w, const hstu::model& m)
{
  // Requests of about the mean length, until half a second has gone by.
  std::vector<const served_request*> usual;
  for (const served_batch& b : w.batches) {
    for (const served_request& r : b.requests) usual.push_back(&r);
  }
  if (usual.empty()) return 0;
  const auto distance = [&](const served_request* r) {
    return r->tokens > w.facts.history_mean ? r->tokens - w.facts.history_mean : w.facts.history_mean - r->tokens;
  };
  std::sort(usual.begin(), usual.end(),
            [&](const served_request* a, const served_request* b) { return distance(a) < distance(b); });
  hstu::scratch_pages memory;
  double best = 0;
  double spent = 0;
  for (std::size_t i = 0; i < 12 && (i < 3 || spent < 0.5); ++i) {
    const served_request& r = *usual[i % usual.size()];
    const hstu::request asked = model_request(w, r);
    const kvstrata::token_interval whole{0, r.tokens};
    const double work = hstu::flops(m.options(), {r.tokens, std::span(&whole, r.tokens == 0 ? 0 : 1),
                                                  static_cast<std::uint32_t>(r.candidates.size())});
    const clock::time_point begin = clock::now();
    static_cast<void>(hstu::recompute(m, std::span(&asked, 1), memory));
    const double seconds = since(begin);
    spent += seconds;
    best = (std::max)(best, work / seconds);
  }
  return best;
}

double link_rate(const kvstrata::link_model& link)
{
  constexpr std::size_t piece = std::size_t{1} << 20;
  constexpr std::size_t pieces = 64;
  kvstrata::emulated_device d({.to_device = link});
  const auto device = d.allocate_device(piece * pieces, "calibration");
  const auto host = d.allocate_pinned(piece * pieces, "calibration");
  const kvstrata::stream_id stream = d.create_stream("onload");
  const auto move = [&](std::size_t count) {
    const clock::time_point begin = clock::now();
    for (std::size_t i = 0; i < count; ++i) {
      d.copy(stream, kvstrata::copy_direction::to_device, device.data() + i * piece, host.data() + i * piece, piece);
    }
    d.wait_sync(d.record(stream));
    return static_cast<double>(count * piece) / since(begin);
  };
  // Fewer where the link is slow: a quarter of a second is enough to know it.
  const double expected = link.bytes_per_second > 0 ? link.bytes_per_second : 1e10;
  const auto count = static_cast<std::size_t>(std::clamp(0.25 * expected / static_cast<double>(piece), 1.0, 64.0));
  static_cast<void>(move(count));  // touches the memory
  return (std::max)(move(count), move(count));
}

}  // namespace

break_even calibrate(const workload& w, const hstu::model& m, const kvstrata::link_model& link)
{
  return {compute_rate(w, m), link_rate(link), static_cast<unsigned>(kvstrata::bytes_of(m.shape().element)),
          m.options().hidden};
}

kvstrata::cost_model measure_costs(const workload& w, const hstu::model& m, const kvstrata::link_model& link)
{
  // The longest history there is, cut at several lengths. Without candidates: they are computed either way.
  const served_request* longest = nullptr;
  for (const served_batch& b : w.batches) {
    for (const served_request& r : b.requests) {
      if (longest == nullptr || r.tokens > longest->tokens) longest = &r;
    }
  }
  if (longest == nullptr || longest->tokens < 8) return {.layers = m.options().layers};
  const kvstrata::token_count most = (std::min)(longest->tokens, kvstrata::token_count{2048});
  const kvstrata::token_count lengths[] = {most / 4, most / 2, most};
  hstu::scratch_pages memory;
  const auto run = [&](kvstrata::token_count tokens) {
    hstu::request asked = model_request(w, *longest);
    asked.history = tokens;
    asked.candidates = {};
    const clock::time_point begin = clock::now();
    static_cast<void>(hstu::recompute(m, std::span(&asked, 1), memory));
    return since(begin);
  };
  kvstrata::emulated_device d({.to_device = link});
  kvstrata::link_trials trials;
  // A copy of a hundredth of a second where the link is slow.
  const double bytes = link.bytes_per_second > 0 ? link.bytes_per_second / 100 : 1e8;
  trials.large_bytes = static_cast<std::size_t>(std::clamp(bytes, 4.0 * static_cast<double>(trials.small_bytes), 8e6));
  const auto seconds = [start = clock::now()] { return since(start); };
  return kvstrata::cost_model::of(kvstrata::fit_compute(run, lengths, m.options().layers),
                                  kvstrata::measure_link(d, kvstrata::copy_direction::to_device, seconds, trials),
                                  m.shape());
}

}  // namespace replay
