// How what a store gives comes into the last memory: the only place where a record becomes tokens of a user there.
#pragma once

#include <kvstrata/move/raw_room.hpp>
#include <kvstrata/move/stores/store_line.hpp>

#include <algorithm>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// May the pages that hold `part` be overwritten with what was got, where the memory has `has`? Then no token is lost that
/// they hold.
[[nodiscard]] constexpr bool covers_pages(token_interval part, token_interval got, token_interval has,
                                          token_count page_tokens) noexcept
{
  const page_interval pages = pages_of(part, page_tokens);
  return got.contains(intersect(has, {pages.begin * page_tokens, pages.end * page_tokens}));
}

}  // namespace detail

template <class Residency, level_index Level>
bool store_line<Residency, Level>::get(const sequence_key& key, const record_header& header, token_interval wanted,
                                       bool by_layer)
{
  page_interval pages = pages_of(wanted, header.page_tokens);
  const page_count room = (std::min)(up_.free(), pages.size());
  if (room == 0 || (header.atomic && room < pages.size())) return false;
  pages.end = pages.begin + room;
  io one{.what = kind::get, .key = key, .header = header, .wanted = wanted};
  one.tokens = intersect(wanted, residency_->tokens_in(pages));
  fence ready;
  open_.reserve(open_.size() + 1);
  one.place = up_.take(pages, ready);
  std::optional<store_promise> promise;
  try {
    const std::vector<io_piece> into = up_.pieces(one.place);
    if constexpr (gets_by_layer<store_type>) {
      if (by_layer) promise = store_->get_by_layer(key, header, one.tokens, into, ready, one.layers);
      else promise = store_->get(key, header, one.tokens, into, ready);
    } else {
      promise = store_->get(key, header, one.tokens, into, ready);
    }
  } catch (...) {
    up_.give_back(one.place, ready);
    throw;
  }
  if (!promise) {
    up_.give_back(one.place, ready);
    return false;
  }
  one.promise = *promise;
  if (limits_.get_seconds > 0) one.since = seconds_on(residency_->device());
  open_.push_back(std::move(one));
  ++figures_.gets;
  return true;
}

template <class Residency, level_index Level>
token_count store_line<Residency, Level>::reach(const sequence_key& key, const record_header& header)
{
  constexpr token_count anywhere = (std::numeric_limits<token_count>::max)();
  if constexpr (Residency::stores > 1) return anywhere;  // another may have more
  found_record now{.is = found_record::knowledge::unknown};
  static_cast<void>(store_answers([&] { now = store_->find(key); }));
  if (now.is == found_record::knowledge::unknown) return anywhere;
  token_count end = header.tokens.end;
  if (now.is == found_record::knowledge::present) end = (std::max)(end, now.header.tokens.end);
  for (const io& one : open_) {
    if (one.what == kind::put && one.key == key) end = (std::max)(end, one.tokens.end);
  }
  return end;
}

template <class Residency, level_index Level>
void store_line<Residency, Level>::adopt(entry_type& e, const record_header& header)
{
  auto& users = residency_->users();
  auto& fresh = residency_->stored().adopt(e.key(), header.incarnation,
                                           [&users](const sequence_key& key) { return users.find(key) != nullptr; });
  fresh.tokens[number] = header.tokens;
  fresh.reach = reach(e.key(), header);
  fresh.first_token = header.first_token;
  fresh.earlier_until = header.earlier_until;
  fresh.inexact_from = header.inexact_from;
  e.atomic = header.atomic;
  if (header.first_token == 0 && header.earlier_until == 0 && header.vouched_tokens == 0 &&
      header.stretch_stride == 0 && header.version == 0)
    return;
  known_history& known = e.learn();
  known.version = header.version;
  known.first_token = header.first_token;
  known.earlier_until = header.earlier_until;
  known.vouched = {header.vouched_tokens, header.vouched_hash};
  if (header.stretch_stride == 0) return;
  users.reserve_stretches(e, 1);
  known.stretches.stride = header.stretch_stride;
  known.stretches.end = header.stretch_end;
  known.stretches.hashes.assign(1, header.stretch_hash);
}

/// Rows that were computed in windows that began earlier than the entry's are known as such, wherever they have been.
template <class Residency, level_index Level>
void store_line<Residency, Level>::note_windows(entry_type& e, const io& mine)
{
  const token_count first = e.known().first_token;
  const token_count until =
      mine.header.first_token == first ? (std::min)(mine.header.earlier_until, mine.tokens.end) : mine.tokens.end;
  if (until > first) e.learn().earlier_until = (std::max)(e.known().earlier_until, until);
}

template <class Residency, level_index Level>
template <class Reserve, class Ended>
void store_line<Residency, Level>::end_get(io& mine, store_outcome out, Reserve&& reserve, Ended&& ended)
{
  if (mine.overdue) return up_.give_back(mine.place, {});
  if (!out.done()) {
    ++figures_.lost_gets;
    tell(residency_->tracker(), record_lost{Level, mine.tokens.size(), true});
    up_.give_back(mine.place, {});
    if (!mine.erased) ended(mine.key);
    return;
  }
  token_count came = 0;
  try {
    came = arrive(mine, reserve);
  } catch (const copy_refused&) {
    note_error();
  }
  figures_.staged_tokens += came;
  if (came == 0) ++figures_.unused_gets;
  const token_interval rest{mine.tokens.end, mine.wanted.end};
  bool more = false;
  if (!store_answers([&] { more = came != 0 && !rest.empty() && get(mine.key, mine.header, rest, false); }))
    note_error();
  if (!more) ended(mine.key);
}

template <class Residency, level_index Level>
template <class Reserve>
token_count store_line<Residency, Level>::arrive(io& mine, Reserve&& reserve)
{
  auto& users = residency_->users();
  auto& book = residency_->stored();
  entry_type* e = users.find(mine.key);
  auto* life = e == nullptr ? nullptr : book.find(mine.key);
  const bool of_use =
      !mine.erased && mine.header.epoch == users.epoch() &&
      (e == nullptr || (e->holds == 0 && life != nullptr && life->incarnation == mine.header.incarnation &&
                        joinable(mine.tokens, e->template at<last>().tokens)));
  if (!of_use) {
    up_.give_back(mine.place, {});
    return 0;
  }
  token_count came = 0;
  token_interval had;
  fence after;
  fence* in_use = nullptr;
  event copied;
  try {
    if (e == nullptr) {
      e = &users.add(mine.key);
      ++e->holds;
      adopt(*e, mine.header);
    } else {
      ++e->holds;  // or room might be made at their expense
    }
    auto& here = e->template at<last>();
    had = here.tokens;
    in_use = &uses_of<last>(*residency_, *e);
    interval_list missing;
    append_uncovered(missing, intersect(mine.tokens, {e->known().first_token, mine.tokens.end}), had, {});
    copy_list list = empty_list();
    auto& memory = residency_->template level<last>().memory();
    for (const token_interval part : missing) {
      if (!joinable(part, here.tokens)) continue;
      if (!detail::covers_pages(part, mine.tokens, had, mine.header.page_tokens)) continue;
      const token_interval taken = with_raw_frames<last>(*residency_, *e, reserve(*e, part, after), after);
      if (mine.header.atomic && taken.size() != part.size()) {  // all of it or nothing
        remember(residency_->device(), *in_use, after);
        residency_->template trim<last>(*e);
        break;
      }
      if (taken.empty()) continue;
      if constexpr (memory_has_codes) {
        append_coded_pages(
            list.coded, mine.place, [this](const placed_extent& x, page_count p) { return up_.end_of(x, p); },
            here.extents, [&memory](const placed_extent& x, page_count p) { return memory.end_of(x, p); },
            residency_->pages(taken),
            [&](page_count p) { return mine.tokens.contains(residency_->tokens_in({p, p + 1})); });
      } else {
        append_copy_runs(
            list.runs, mine.place, [this](const placed_extent& x) { return up_.end_of(x); }, here.extents,
            [&memory](const placed_extent& x) { return memory.end_of(x); }, residency_->pages(taken));
      }
      mark_inexact(here, inexact_of(mine.header, copied_with(taken, mine.tokens, mine.header.page_tokens)));
      residency_->template set_tokens<last>(*e, hull(here.tokens, taken));
      came += taken.size();
    }
    if (came != 0) note_windows(*e, mine);
    if (came != 0) {
      after.add(*in_use);
      copied = arrivals_.demote(list, after).last();
      if constexpr (memory_has_codes) memory.codes().written(list.coded, copied);
      remember(residency_->device(), *in_use, copied);
      residency_->template level<last>().written(*e);
      residency_->changed(*e);
    }
  } catch (...) {
    up_.give_back(mine.place, copied);
    if (e != nullptr) {
      if (in_use != nullptr) remember(residency_->device(), *in_use, after);
      residency_->template set_tokens<last>(*e, had);
      residency_->template trim<last>(*e);
      --e->holds;
      residency_->discard_if_empty(*e);
    }
    throw;
  }
  up_.give_back(mine.place, copied);
  --e->holds;
  residency_->discard_if_empty(*e);
  return came;
}

}  // namespace kvstrata
