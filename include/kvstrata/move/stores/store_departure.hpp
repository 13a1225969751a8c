// How tokens of the last memory become a record of a store.
#pragma once

#include <kvstrata/move/stores/store_line.hpp>

#include <algorithm>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, level_index Level>
template <class Demote>
void store_line<Residency, Level>::put(entry_type& e, token_interval wanted, Demote&& demote) noexcept
{
  auto* const life = residency_->stored().find(e.key());
  if (life == nullptr) return;
  token_interval& stored = life->tokens[number];
  token_interval part = wanted;
  bool begun = false;
  try {
    look_again(e.key(), life->incarnation, stored);
    part = to_put(wanted, e.template at<last>().tokens, stored);
    if (part.empty()) return;
    if (stored.empty() && !door_.admits(*residency_, e, part)) {
      figures_.unadmitted_tokens += part.size();
      return;
    }
    begun = begin_put(e, part, life->incarnation, demote);
  } catch (...) {  // nothing has begun
  }
  if (!begun) {
    figures_.refused_tokens += part.size();
    return;
  }
  note_put(e, *life, part);
}

template <class Residency, level_index Level>
template <class Life>
void store_line<Residency, Level>::note_put(entry_type& e, Life& life, token_interval part) noexcept
{
  ++figures_.puts;
  figures_.put_tokens += part.size();
  token_interval& stored = life.tokens[number];
  stored = joinable(stored, part) ? hull(stored, part) : part;
  life.reach = (std::max)(life.reach, part.end);
  life.first_token = e.known().first_token;
  life.earlier_until = e.known().earlier_until;
  life.inexact_from = inexact_with(e, life, part);
}

template <class Residency, level_index Level>
template <class Demote>
saving store_line<Residency, Level>::save(entry_type& e, Demote&& demote)
{
  auto* const life = residency_->stored().find(e.key());
  if (life == nullptr) return saving::nothing;
  look_again(e.key(), life->incarnation, life->tokens[number]);
  const token_interval has = e.template at<last>().tokens;
  token_interval part = to_put(has, has, life->tokens[number]);
  if (part.empty()) return saving::nothing;
  page_interval pages = residency_->pages(part);
  pages.end = pages.begin + (std::min)(pages.size(), down_.free());
  if (pages.empty() || (e.atomic && pages.size() < residency_->pages(part).size())) return saving::no_room;
  part = intersect(part, residency_->tokens_in(pages));
  if (!begin_put(e, part, life->incarnation, demote)) return saving::no_room;
  note_put(e, *life, part);
  return saving::begun;
}

template <class Residency, level_index Level>
token_count store_line<Residency, Level>::unsaved(const entry_type& e, bool counts)
{
  constexpr token_interval all{0, (std::numeric_limits<token_count>::max)()};
  const token_count has = e.template tokens_in<0, Residency::memories>(all);
  const auto* const life = residency_->stored().find(e.key());
  return life == nullptr || !counts ? has : has - e.template tokens_in<0, Residency::memories>(life->tokens[number]);
}

template <class Residency, level_index Level>
void store_line<Residency, Level>::look_again(const sequence_key& key, incarnation_id incarnation,
                                              token_interval& stored)
{
  if (stored.empty()) return;
  for (const io& one : open_) {
    if (one.key == key) return;
  }
  const found_record found = find(key);
  if (found.is == found_record::knowledge::unknown) return;
  const bool there = found.is == found_record::knowledge::present && found.header.incarnation == incarnation;
  stored = there ? found.header.tokens : token_interval{};
}

template <class Residency, level_index Level>
token_interval store_line<Residency, Level>::to_put(token_interval wanted, token_interval has,
                                                    token_interval stored) const noexcept
{
  if (wanted.empty() || stored.contains(wanted)) return {};
  token_interval part = wanted;
  if (!stored.empty()) {
    if (part.begin >= stored.begin) part.begin = stored.end;  // from where it goes on
    else if (part.end <= stored.end) part.end = stored.begin;
    if (!has.contains(part)) part = wanted;  // a gap: the store has this then, and not that
  }
  return intersect(has, {page_floor(part.begin), page_ceil(part.end)});
}

template <class Residency, level_index Level>
record_header store_line<Residency, Level>::header_of(const entry_type& e, token_interval tokens,
                                                      incarnation_id incarnation) const
{
  const known_history& known = e.known();
  const vouched_stretches& stretches = known.stretches;
  return {.incarnation = incarnation,
          .epoch = residency_->users().epoch(),
          .format = format_of(residency_->shape(), residency_->layout().page_tokens),
          .page_tokens = residency_->layout().page_tokens,
          .tokens = tokens,
          .first_token = known.first_token,
          .earlier_until = known.earlier_until,
          .vouched_tokens = known.vouched.tokens,
          .vouched_hash = known.vouched.hash,
          .stretch_stride = stretches.hashes.empty() ? 0 : stretches.stride,
          .stretch_end = stretches.hashes.empty() ? 0 : stretches.end,
          .stretch_hash = stretches.hashes.empty() ? 0 : stretches.hashes.back(),
          .inexact_from = inexact_with(e, *residency_->stored().find(e.key()), tokens),
          .version = known.version,
          .atomic = e.atomic};
}

template <class Residency, level_index Level>
template <class Life>
token_count store_line<Residency, Level>::inexact_with(const entry_type& e, const Life& life,
                                                       token_interval part) noexcept
{
  return (std::min)(life.inexact_from, inexact_in<typename Residency::tiers_type, last>(e, part));
}

template <class Residency, level_index Level>
template <class Demote>
bool store_line<Residency, Level>::begin_put(entry_type& e, token_interval part, incarnation_id incarnation,
                                             Demote&& demote)
{
  const page_interval pages = residency_->pages(part);
  if (down_.free() < pages.size()) return false;
  auto& mine = e.template at<last>();
  io one{.what = kind::put, .key = e.key(), .header = header_of(e, part, incarnation), .tokens = part};
  open_.reserve(open_.size() + 1);
  fence after;
  one.place = down_.take(pages, after);
  fence uses = after;  // of the room, from here on
  try {
    fence& mine_in_use = uses_of<last>(*residency_, e);
    after.add(mine_in_use);
    auto& memory = residency_->template level<last>().memory();
    copy_list list = empty_list();
    if constexpr (memory_has_codes) {
      append_coded_pages(
          list.coded, mine.extents, [&memory](const placed_extent& x, page_count p) { return memory.end_of(x, p); },
          one.place, [this](const placed_extent& x, page_count p) { return down_.end_of(x, p); }, pages,
          [](page_count) { return true; });
    } else {
      append_copy_runs(
          list.runs, mine.extents, [&memory](const placed_extent& x) { return memory.end_of(x); }, one.place,
          [this](const placed_extent& x) { return down_.end_of(x); }, pages);
    }
    const event copied = demote(list, after);
    if constexpr (memory_has_codes) memory.codes().read(copied);
    remember(residency_->device(), mine_in_use, copied);
    remember(residency_->device(), uses, copied);
    const auto promise = store_->put(e.key(), one.header, down_.pieces(one.place), copied);
    if (!promise) {
      down_.give_back(one.place, uses);
      return false;
    }
    one.promise = *promise;
  } catch (...) {
    down_.give_back(one.place, uses);
    throw;
  }
  open_.push_back(std::move(one));
  return true;
}

template <class Residency, level_index Level>
void store_line<Residency, Level>::end_put(const io& mine, store_outcome out)
{
  down_.give_back(mine.place, {});
  if (out.done()) return;
  ++figures_.lost_puts;
  tell(residency_->tracker(), record_lost{Level, mine.tokens.size(), false});
  if (mine.erased) return;
  entry_type* const e = residency_->users().find(mine.key);
  auto* const life = e == nullptr ? nullptr : residency_->stored().find(mine.key);
  if (life != nullptr && life->incarnation != mine.header.incarnation) return;
  dropped_ += mine.tokens.size() - (e == nullptr ? 0 : e->template tokens_in<0, Residency::memories>(mine.tokens));
  if (life == nullptr) return;
  const found_record found = find(mine.key);
  const bool still = found.is == found_record::knowledge::present && same_life(found.header, mine.header);
  life->tokens[number] = still ? found.header.tokens : token_interval{};
}

}  // namespace kvstrata
