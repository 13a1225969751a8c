// A tracker that counts. Every count may be read at any time, from any thread.
#pragma once

#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/observe/log2_histogram.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Lock-free: an event costs a relaxed addition for each count that it changes.
class counters
{
 public:
  static constexpr std::size_t call_names = static_cast<std::size_t>(call_name::clean) + 1;
  static constexpr std::size_t refusals = static_cast<std::size_t>(refusal::not_admitted) + 1;
  static_assert(name_of(static_cast<call_name>(call_names)) == "unknown", "a call has been added: count it, too");

  /// A copy of all counts. Counts that belong together may be one event apart when read during a call.
  struct snapshot
  {
    std::uint64_t levels = 0;                                    ///< that the cache has
    std::array<std::uint64_t, call_names> calls{};               ///< [number of the call_name], begun
    std::uint64_t pressure = 0;                                  ///< calls turned away
    std::array<std::uint64_t, pressure_reasons> pressure_for{};  ///< of these, [number of the reason]
    std::uint64_t epochs = 0;                                    ///< that have begun

    std::uint64_t batches = 0;
    std::uint64_t requests = 0;
    by_level<std::uint64_t> served_tokens{};  ///< [level] served from there
    std::uint64_t computed_tokens = 0;        ///< left to the model
    std::uint64_t recomputed_tokens = 0;      ///< of these: a level has them, but computing them is quicker
    std::uint64_t scratch_tokens = 0;         ///< of scratch parts, and not among the computed
    std::uint64_t committed_tokens = 0;

    by_level<std::uint64_t> onload_bytes{};   ///< [level that they come from]
    std::uint64_t onload_copies = 0;          ///< calls to the device
    std::uint64_t onload_pieces = 0;          ///< descriptors in these calls
    by_level<std::uint64_t> offload_bytes{};  ///< [level that they go to]
    std::uint64_t offload_copies = 0;
    std::uint64_t offload_pieces = 0;
    std::uint64_t relocated_bytes = 0;  ///< from the onload window to pages
    std::uint64_t relocated_copies = 0;
    std::uint64_t relocated_pieces = 0;

    by_level<std::uint64_t> evicted_tokens{};  ///< [level]
    by_level<std::uint64_t> dropped_tokens{};  ///< evicted from the level and nowhere else
    by_level<std::uint64_t> unread_tokens{};   ///< evicted from the level and never served from there

    std::uint64_t rewritten_tokens = 0;    ///< cached, and of another history, or perhaps so: started anew
    std::uint64_t widened_tokens = 0;      ///< cached, and started anew as their window began earlier than before
    std::uint64_t passed_tokens = 0;       ///< cached, and before a window that has moved on
    std::uint64_t overwritten_tokens = 0;  ///< cached, and in a volatile tail or behind it
    std::uint64_t superseded_tokens = 0;   ///< cached, and of a version that is gone, or resting on one
    std::uint64_t inexact_tokens = 0;      ///< cached, but not exact, where a request wants nothing else
    std::uint64_t stranded_tokens = 0;     ///< cached, and resting on tokens of an earlier window that are gone

    by_level<std::uint64_t> refused_tokens{};           ///< [level] it had no room
    std::array<std::uint64_t, refusals> refused_for{};  ///< of all these, [number of the refusal]
    by_level<std::uint64_t> write_dropped_tokens{};     ///< [level that they were to go to] the device refused the copy
    std::uint64_t delayed_tokens = 0;                   ///< the queue of writes was full
    by_level<std::uint64_t> waited_pages{};             ///< [level] taken while another stream still used them
    std::uint64_t cleaned_tokens = 0;                   ///< written ahead of need

    std::uint64_t prefetched_tokens = 0;  ///< queued ahead of their request
    std::uint64_t displaced_tokens = 0;   ///< pushed out of the slab by prefetches
    std::uint64_t undone_tokens = 0;      ///< prefetched, and taken back unread
    std::uint64_t saved_tokens = 0;       ///< prefetched, and read by a batch later

    // Ages in requests, one value an event.
    by_level<log2_histogram> hit_ages{};
    by_level<log2_histogram> eviction_ages{};

    friend bool operator==(const snapshot&, const snapshot&) = default;
  };

  void on(const cache_built& e) noexcept { add<&snapshot::levels>(e.levels); }
  void on(const call_began& e) noexcept { add<&snapshot::calls>(1, static_cast<std::size_t>(e.call)); }
  void on(const pressure_met& e) noexcept
  {
    add<&snapshot::pressure>(1);
    add<&snapshot::pressure_for>(1, static_cast<std::size_t>(e.why.why));
  }
  void on(const epoch_advanced&) noexcept { add<&snapshot::epochs>(1); }

  void on(const batch_prepared& e) noexcept
  {
    add<&snapshot::batches>(1);
    add<&snapshot::requests>(e.requests);
    add_each<&snapshot::served_tokens>(e.from);
    add<&snapshot::computed_tokens>(e.computed_tokens);
    add<&snapshot::recomputed_tokens>(e.recomputed_tokens);
    add<&snapshot::scratch_tokens>(e.scratch_tokens);
    add<&snapshot::saved_tokens>(e.prefetched_tokens);
  }
  void on(const user_hit& e) noexcept { add_value<&snapshot::hit_ages>(e.age, e.level); }
  void on(const batch_committed& e) noexcept { add<&snapshot::committed_tokens>(e.tokens); }

  void on(const bytes_onloaded& e) noexcept
  {
    add_each<&snapshot::onload_bytes>(e.bytes_from);
    add<&snapshot::onload_copies>(e.copies);
    add<&snapshot::onload_pieces>(e.pieces);
  }
  void on(const bytes_offloaded& e) noexcept
  {
    add<&snapshot::offload_bytes>(e.bytes, e.to);
    add<&snapshot::offload_copies>(e.copies);
    add<&snapshot::offload_pieces>(e.pieces);
  }
  void on(const bytes_relocated& e) noexcept
  {
    add<&snapshot::relocated_bytes>(e.bytes);
    add<&snapshot::relocated_copies>(e.copies);
    add<&snapshot::relocated_pieces>(e.pieces);
  }

  void on(const tokens_evicted& e) noexcept
  {
    add<&snapshot::evicted_tokens>(e.tokens, e.from);
    add<&snapshot::dropped_tokens>(e.dropped, e.from);
    add<&snapshot::unread_tokens>(e.unread, e.from);
    add_value<&snapshot::eviction_ages>(e.age, e.from);
  }
  void on(const tokens_forgotten& e) noexcept
  {
    add<&snapshot::rewritten_tokens>(e.rewritten);
    add<&snapshot::widened_tokens>(e.widened);
    add<&snapshot::passed_tokens>(e.passed);
    add<&snapshot::overwritten_tokens>(e.overwritten);
    add<&snapshot::superseded_tokens>(e.superseded);
    add<&snapshot::inexact_tokens>(e.inexact);
    add<&snapshot::stranded_tokens>(e.stranded);
  }
  void on(const write_refused& e) noexcept
  {
    add<&snapshot::refused_tokens>(e.tokens, e.level);
    add<&snapshot::refused_for>(e.tokens, static_cast<std::size_t>(e.why));
  }
  void on(const write_dropped& e) noexcept { add<&snapshot::write_dropped_tokens>(e.tokens, e.to); }
  void on(const write_delayed& e) noexcept { add<&snapshot::delayed_tokens>(e.tokens); }
  void on(const frames_waited& e) noexcept { add<&snapshot::waited_pages>(e.pages, e.level); }
  void on(const tokens_cleaned& e) noexcept { add<&snapshot::cleaned_tokens>(e.tokens); }

  void on(const prefetch_queued& e) noexcept
  {
    add<&snapshot::prefetched_tokens>(e.tokens);
    add<&snapshot::displaced_tokens>(e.displaced);
  }
  void on(const prefetch_undone& e) noexcept { add<&snapshot::undone_tokens>(e.tokens); }

  [[nodiscard]] snapshot read() const noexcept
  {
    words now{};
    for (std::size_t i = 0; i < now.size(); ++i) now[i] = counts_[i].load(std::memory_order_relaxed);
    return std::bit_cast<snapshot>(now);
  }

 private:
  // A snapshot is nothing but 64-bit counts. The live ones are an array of atomics in the same order, so that each is
  // named once.
  using words = std::array<std::uint64_t, sizeof(snapshot) / sizeof(std::uint64_t)>;
  static_assert(std::has_unique_object_representations_v<snapshot> && std::is_trivially_copyable_v<snapshot>);

  static constexpr void mark(std::uint64_t& first) { first = 1; }
  template <std::size_t N>
  static constexpr void mark(std::array<std::uint64_t, N>& all)
  {
    all[0] = 1;
  }
  static constexpr void mark(by_level<log2_histogram>& all) { all[0].counts[0] = 1; }

  /// Where a member of the snapshot begins, in words.
  template <auto Member>
  static constexpr std::size_t place_of() noexcept
  {
    snapshot probe;
    mark(probe.*Member);
    const words found = std::bit_cast<words>(probe);
    std::size_t place = 0;
    while (found[place] == 0) ++place;
    return place;
  }

  template <auto Member>
  void add(std::uint64_t n, std::size_t index = 0) noexcept
  {
    constexpr std::size_t place = place_of<Member>();
    counts_[place + index].fetch_add(n, std::memory_order_relaxed);
  }
  template <auto Member>
  void add_each(const by_level<std::uint64_t>& all) noexcept
  {
    for (level_index i = 0; i < most_levels; ++i) {
      if (all[i] != 0) add<Member>(all[i], i);
    }
  }
  template <auto Histograms>
  void add_value(std::uint64_t value, level_index level) noexcept
  {
    constexpr std::size_t words_each = sizeof(log2_histogram) / sizeof(std::uint64_t);
    add<Histograms>(1, level * words_each + log2_histogram::bucket_of(value));
    add<Histograms>(value, level * words_each + log2_histogram::buckets);  // the sum follows the buckets
  }

  std::array<std::atomic<std::uint64_t>, sizeof(snapshot) / sizeof(std::uint64_t)> counts_{};
};

static_assert(tracks<counters, batch_prepared> && tracks<counters, tokens_evicted> && tracks<counters, user_hit>);

}  // namespace kvstrata
