// What of whom is brought from the stores before a lease, or for one that begins before it has come.
#pragma once

#include <kvstrata/move/stores/store_lines.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency>
std::optional<event> store_lines<Residency>::stage_one(const request& r, bool by_layer, bool is_awaited)
{
  if (auto under_way = arrival(key_of(r))) return under_way;
  if (mode_of(r) == part_mode::scratch) return {};
  const token_interval window = lasting_tokens(r);
  if (r.epoch != residency_->users().epoch() || window.empty() || answered_.contains(key_of(r))) return {};
  const entry_type* const e = residency_->users().find(key_of(r));
  if (e != nullptr && (e->holds != 0 || e->template tokens_in<0, memories>(window) == window.size())) return {};
  bool begun = false;
  each([&](auto& line) {
    if (!store_answers([&] { begun = begun || begin_one(line, r, window, e, by_layer, is_awaited); }))
      line.note_error();  // a miss
  });
  return begun ? arrival(key_of(r)) : std::nullopt;
}

template <class Residency>
template <class Line>
bool store_lines<Residency>::begin_one(Line& line, const request& r, token_interval window, const entry_type* e,
                                       bool by_layer, bool is_awaited)
{
  const found_record found = line.find(key_of(r));
  if (found.is == found_record::knowledge::absent) return false;
  if (found.is == found_record::knowledge::unknown) return line.ask(key_of(r));
  const record_header& header = found.header;
  const auto* const life = e == nullptr ? nullptr : residency_->stored().find(key_of(r));
  if (header.epoch != residency_->users().epoch() ||
      header.format != format_of(residency_->shape(), residency_->layout().page_tokens) ||
      (e != nullptr && (life == nullptr || life->incarnation != header.incarnation))) {
    line.note_foreign();
    return false;
  }
  if (!rules::is_asked_for(r, header)) {
    line.note_foreign();
    return false;
  }
  if (rules::contradicts(r, header)) {
    line.note_contradicted();
    line.erase(key_of(r));
    residency_->stored().renew(key_of(r));  // what stays in memories, should the request be refused
    return false;
  }
  token_interval useful = intersect(window, header.tokens);
  if (r.exact) useful.end = (std::max)(useful.begin, (std::min)(useful.end, line.inexact_of(header, useful)));
  const token_interval wanted = rules::wanted(useful, header, e, limits_.stage_from);
  if (wanted.empty()) return false;
  const store_cost cost{residency_->costs(), limits_.reads, residency_->shape().token_bytes()};
  const bool sooner =
      is_awaited && cost.computes_sooner(intersect(wanted, window), r.first_token, line.bytes_coming(), by_layer);
  if (!sooner) return line.get(key_of(r), header, wanted, by_layer);
  const bool fetched = limits_.stages_for == staged_for::throughput && line.get(key_of(r), header, wanted, by_layer);
  line.note_judged(intersect(wanted, window).size(), fetched);
  if (!fetched) end(key_of(r));  // and the model computes all that no memory has
  return fetched;
}

template <class Residency>
bool store_lines<Residency>::offer(const request& r, std::size_t number, store_offers<Residency::stores>& offers)
{
  const entry_type* const e = residency_->users().find(key_of(r));
  if (!residency_->device().why_no_host_waits().empty() || (e != nullptr && e->holds != 0)) return false;
  const auto* const life = e == nullptr ? nullptr : residency_->stored().find(key_of(r));
  store_offer best;
  each([&, level = memories](auto& line) mutable {
    const level_index mine = level++;
    const auto coming = line.coming(key_of(r));
    if (!coming || best.level != 0 || line.reads() + offers.from(mine) >= limits_.late_reads) return;
    if (e != nullptr && (life == nullptr || life->incarnation != coming->first.incarnation)) return;
    if (life != nullptr && (life->first_token != r.first_token || life->earlier_until > r.first_token)) return;
    if (r.volatile_tail != 0) {
      const token_count reach = life != nullptr ? life->reach : line.reach(key_of(r), coming->first);
      if (reach > lasting_tokens(r).end) return;
    }
    if (coming->first.epoch != residency_->users().epoch() || r.epoch != residency_->users().epoch()) return;
    const token_interval tokens = rules::countable(r, coming->first, coming->second, e);
    if (!tokens.empty()) best = {mine, tokens, line.inexact_of(coming->first, tokens)};
  });
  if (best.level != 0) offers.add(number, best);
  return best.level != 0;
}

}  // namespace kvstrata
