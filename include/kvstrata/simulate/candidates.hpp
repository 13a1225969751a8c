// The items a request asks to be scored: what the user went on to watch, among popular others.
#pragma once

#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct candidate_options
{
  std::uint32_t count = 512;   ///< candidates a request; the published configuration of MTServe
  std::uint32_t watched = 16;  ///< at most this many of them are what the user watched next
  std::uint64_t seed = 1;
};

/// Writes the request's candidates into `out`: distinct items, min(count, trace.items) of them, in random order. The
/// user's next events come first into the draw, the others are items of random events of the whole trace, so a
/// popular item is drawn as often as it is popular; should too few distinct ones turn up, any others fill the rest.
/// The same trace, user, history and seed give the same candidates. Throws nothing but bad_alloc; O(count) expected.
inline void draw_candidates(std::vector<std::uint32_t>& out, const trace& t, const trace_request& asked,
                            const candidate_options& options = {})
{
  out.clear();
  const std::size_t wanted = (std::min)(options.count, t.items);
  if (wanted == 0) return;
  random_source random(derive_seed(options.seed, (std::uint64_t{asked.user} << 32) | asked.history));
  boost::unordered_flat_set<std::uint32_t> drawn;
  drawn.reserve(wanted);
  const auto take = [&](std::uint32_t item) {
    if (out.size() < wanted && drawn.insert(item).second) out.push_back(item);
  };

  const auto next = t.events_of(asked.user).subspan(asked.history);
  for (const trace_event& seen : next.first((std::min)(next.size(), std::size_t{options.watched}))) take(seen.item);
  // Events past 2^32 are left out of the draw, not of the trace.
  const auto events = static_cast<std::uint32_t>((std::min)(t.events.size(), std::size_t{0xffffffffU}));
  for (std::size_t tries = 0; events != 0 && out.size() < wanted && tries < 8 * wanted; ++tries) {
    take(t.events[random.below(events)].item);
  }
  for (std::uint32_t item = random.below(t.items); out.size() < wanted; item = item + 1 < t.items ? item + 1 : 0) {
    take(item);
  }
  for (std::size_t k = out.size(); k > 1; --k) {
    std::swap(out[k - 1], out[random.below(static_cast<std::uint32_t>(k))]);
  }
}

[[nodiscard]] inline std::vector<std::uint32_t> draw_candidates(const trace& t, const trace_request& asked,
                                                                const candidate_options& options = {})
{
  std::vector<std::uint32_t> out;
  draw_candidates(out, t, asked, options);
  return out;
}

}  // namespace kvstrata
