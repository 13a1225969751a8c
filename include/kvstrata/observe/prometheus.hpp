// The counts of a cache as Prometheus text:
//
//   write_prometheus(response, cache.watcher().read(), {{"cache", "a"}});
//
// Counters may be read from any thread, so a scrape does not hold up the cache.
#pragma once

#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/prometheus_writer.hpp>

#include <cstddef>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata {

/// Adds all counts of a snapshot. Throws as the writer does.
inline void write_prometheus(prometheus_writer& to, const counters::snapshot& s)
{
  to.counter("batches", "Batches that came under a lease.", s.batches);
  to.counter("requests", "Requests in these batches.", s.requests);

  constexpr std::string_view history = "Tokens of the requests' histories, by where they come from.";
  to.counter("history_tokens", history, s.device_tokens, {{"source", "device"}});
  to.counter("history_tokens", history, s.lower_tokens, {{"source", "lower"}});
  to.counter("history_tokens", history, s.computed_tokens, {{"source", "computed"}});
  to.counter("recomputed_tokens", "Computed tokens that a tier had, because computing them is quicker.",
             s.recomputed_tokens);
  to.counter("committed_tokens", "Tokens that were computed in a lease and committed.", s.committed_tokens);

  constexpr std::string_view bytes = "Bytes that were queued to be moved.";
  to.counter("moved_bytes", bytes, s.onload_bytes, {{"move", "onload"}});
  to.counter("moved_bytes", bytes, s.offload_bytes, {{"move", "offload"}});
  to.counter("moved_bytes", bytes, s.promoted_bytes, {{"move", "promotion"}});
  constexpr std::string_view copies = "Calls to the device that move them.";
  to.counter("copies", copies, s.onload_copies, {{"move", "onload"}});
  to.counter("copies", copies, s.offload_copies, {{"move", "offload"}});
  to.counter("copies", copies, s.promoted_copies, {{"move", "promotion"}});
  constexpr std::string_view pieces = "Descriptors in these calls.";
  to.counter("copy_pieces", pieces, s.onload_pieces, {{"move", "onload"}});
  to.counter("copy_pieces", pieces, s.offload_pieces, {{"move", "offload"}});
  to.counter("copy_pieces", pieces, s.promoted_pieces, {{"move", "promotion"}});

  constexpr std::string_view evicted = "Tokens that left a tier under pressure.";
  to.counter("evicted_tokens", evicted, s.device_evicted_tokens, {{"tier", "device"}});
  to.counter("evicted_tokens", evicted, s.lower_evicted_tokens, {{"tier", "lower"}});
  constexpr std::string_view dropped = "Evicted tokens that were nowhere else.";
  to.counter("dropped_tokens", dropped, s.device_dropped_tokens, {{"tier", "device"}});
  to.counter("dropped_tokens", dropped, s.lower_dropped_tokens, {{"tier", "lower"}});
  constexpr std::string_view unread = "Evicted tokens that were never served to a request since they came.";
  to.counter("unread_tokens", unread, s.device_unread_tokens, {{"tier", "device"}});
  to.counter("unread_tokens", unread, s.lower_unread_tokens, {{"tier", "lower"}});

  constexpr std::string_view refused = "Tokens that the lower tier had no room for; they stay on the device.";
  constexpr std::string_view reasons[counters::refusals] = {"held", "full", "apart", "not_admitted"};
  for (std::size_t i = 0; i < counters::refusals; ++i) {
    to.counter("refused_tokens", refused, s.refused_for[i], {{"reason", std::string(reasons[i])}});
  }
  to.counter("delayed_tokens", "Tokens whose write was put off, because the queue of writes was full.",
             s.delayed_tokens);
  to.counter("cleaned_tokens", "Tokens that were written ahead of need.", s.cleaned_tokens);

  to.counter("prefetched_tokens", "Tokens that were queued ahead of their request.", s.prefetched_tokens);
  to.counter("prefetch_displaced_tokens", "Tokens that prefetches pushed off the device.", s.displaced_tokens);
  to.counter("prefetch_undone_tokens", "Prefetched tokens that were taken back unread.", s.undone_tokens);
  to.counter("prefetch_saved_tokens", "Prefetched tokens that a batch has read.", s.saved_tokens);

  for (std::size_t i = 0; i < counters::call_names; ++i) {
    to.counter("calls", "Calls that began.", s.calls[i], {{"call", std::string(name_of(static_cast<call_name>(i)))}});
  }
  to.counter("pressure", "Calls that were turned away.", s.pressure);

  constexpr std::string_view hit = "Requests that the cache served between two requests of a user it finds in a tier.";
  to.histogram("hit_age_requests", hit, s.device_hit_ages, {{"tier", "device"}});
  to.histogram("hit_age_requests", hit, s.lower_hit_ages, {{"tier", "lower"}});
  constexpr std::string_view gone = "Requests that the cache has served since an evicted user's last one.";
  to.histogram("eviction_age_requests", gone, s.device_eviction_ages, {{"tier", "device"}});
  to.histogram("eviction_age_requests", gone, s.lower_eviction_ages, {{"tier", "lower"}});
}

/// An exposition with these counts alone. `constant` labels are part of every sample.
inline void write_prometheus(std::ostream& out, const counters::snapshot& s, prometheus_labels constant = {})
{
  prometheus_writer to(out, std::move(constant));
  write_prometheus(to, s);
}
[[nodiscard]] inline std::string to_prometheus(const counters::snapshot& s, prometheus_labels constant = {})
{
  std::ostringstream out;
  write_prometheus(out, s, std::move(constant));
  return out.str();
}

}  // namespace kvstrata
