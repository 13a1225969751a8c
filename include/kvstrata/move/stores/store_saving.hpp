// What of the last memory goes down to stores: when it must leave, when a write policy says so, and when a cache ends.
#pragma once

#include <kvstrata/move/stores/store_lines.hpp>

#include <algorithm>
#include <type_traits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency>
template <class Leaving, class WayOf>
void store_lines<Residency>::put_away(std::span<const Leaving> all, WayOf&& way_of) noexcept
{
  for (const Leaving& one : all) {
    if (one.stale || !residency_->is_live(*one.who)) continue;
    each([&](auto& line) {
      if (std::decay_t<decltype(line)>::writes::writes_back(facts(*one.who)))
        line.put(*one.who, one.cut.lost, way_of(*one.who));
    });
  }
}

template <class Residency>
template <class Demote>
void store_lines<Residency>::write_through(std::span<entry_type* const> committed, Demote&& demote) noexcept
{
  for (entry_type* e : committed) {
    const token_interval there = std::as_const(*e).template at<memories - 1>().tokens;
    if (there.empty()) continue;
    each([&](auto& line) {
      const token_interval part = flushed_tokens<typename std::decay_t<decltype(line)>::writes>(facts(*e));
      if (!part.empty()) line.put(*e, intersect(there, part), demote);
    });
  }
}

template <class Residency>
template <class Demote>
saving store_lines<Residency>::save(Demote&& demote)
{
  saving most = saving::nothing;
  residency_->users().all([&](entry_type& e) {
    if (residency_->is_live(e)) each([&](auto& line) { most = (std::max)(most, line.save(e, demote)); });
  });
  return most;
}

template <class Residency>
bool store_lines<Residency>::lacks(const entry_type& e)
{
  bool any = false;
  each([&](auto& line) { any |= line.unsaved(e, true) != 0; });
  return any;
}

template <class Residency>
std::uint64_t store_lines<Residency>::unsaved_tokens(bool durable)
{
  std::uint64_t most = 0;
  each([&](auto& line) {
    std::uint64_t sum = 0;
    residency_->users().all([&](entry_type& e) { sum += residency_->is_live(e) ? line.unsaved(e, durable) : 0U; });
    most = (std::max)(most, sum);
  });
  return most;
}

template <class Residency>
template <class Wait>
bool store_lines<Residency>::flush(Wait&& wait)
{
  bool well = true;
  each([&](auto& line) {
    const auto promise = line.flush();
    if (!promise || !wait(promise->point)) return void(well = false);
    const auto out = line.outcome_of(*promise);
    well = well && out && out->done();
  });
  return well;
}

template <class Residency>
void store_lines<Residency>::add_to(cache_stats& s)
{
  s.depth = depth;
  each([&s, level = memories](auto& line) mutable {
    s.levels[level].name = Residency::tiers_type::names[level];
    s.levels[level].dropped_tokens = line.dropped_tokens();
    s.stores[level] = line.figures();
    ++level;
  });
}

template <class Residency>
store_figures store_lines<Residency>::figures()
{
  store_figures sum;
  each([&sum](auto& line) { sum += line.figures(); });
  return sum;
}

}  // namespace kvstrata
