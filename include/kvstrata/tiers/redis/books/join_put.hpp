// What becomes of a manifest when a put, or an erasure, comes to it: arithmetic, so that whoever was quicker can be taken into
// account by doing it again.
//
// Of two who write one sequence the newer wins: the later epoch; of one epoch the life that began later, as the server's order
// of their first puts says; within a life, puts are joined as record.hpp says. An erasure ends all lives before it.
#pragma once

#include <kvstrata/tiers/redis/format/manifest.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// A put whose values are there, under its number.
struct new_put
{
  sequence_key key{};
  record_header header{};
  std::uint64_t number = 0;
  std::uint64_t seen = 0;  ///< the newest number of this sequence that its writer knew of when its life began
  std::uint32_t page_bytes = 0;
  std::uint32_t layers = 1;
  std::uint32_t value_bytes = 0;
  std::uint64_t codec = 0;
};

enum class put_verdict : std::uint8_t {
  joins,
  older_epoch,
  older_life,  ///< another, or an erasure, came after it
  erased,      ///< the sequence was, and the writer had not heard of it when the life began
  too_many,    ///< puts that are not one: the manifest would be too long
};

struct joined_put
{
  put_verdict verdict = put_verdict::joins;
  manifest next;  ///< where it joins
  manifest left;  ///< as the old one, with the puts whose values nobody needs any more
};

namespace join_detail {

[[nodiscard]] inline page_interval common(page_interval a, page_interval b) noexcept
{
  return {(std::max)(a.begin, b.begin), (std::max)((std::max)(a.begin, b.begin), (std::min)(a.end, b.end))};
}

inline void add_used(std::vector<put_pages>& to, const put_pages& of, page_interval used)
{
  used = common(of.used, used);
  if (used.begin < used.end) to.push_back({of.number, of.put, used});
}

[[nodiscard]] inline bool is_over(const manifest& of, std::uint64_t life) noexcept
{
  return std::find(of.past_lives.begin(), of.past_lives.end(), life) != of.past_lives.end();
}

inline void end_life(manifest& of, std::uint64_t life)
{
  if (is_over(of, life)) return;
  of.past_lives.push_back(life);
  if (of.past_lives.size() > most_past_lives) of.past_lives.erase(of.past_lives.begin());
}

}  // namespace join_detail

/// The newest state of a sequence that has `old`, if anything is known of it, after a put.
[[nodiscard]] inline joined_put join_put(const std::optional<manifest>& old, const new_put& fresh)
{
  joined_put out;
  const record_header& header = fresh.header;
  manifest& next = out.next;
  next = manifest{.key = fresh.key,
                  .number = fresh.number,
                  .erased_at = 0,
                  .header = header,
                  .page_bytes = fresh.page_bytes,
                  .layers = fresh.layers,
                  .value_bytes = fresh.value_bytes,
                  .codec = fresh.codec,
                  .puts = {},
                  .past_lives = {}};
  const put_pages mine{fresh.number, header.pages(), header.pages()};
  if (!old) {
    next.puts.push_back(mine);
    return out;
  }
  const auto refuse = [&out](put_verdict why) {
    out.verdict = why;
    return out;
  };
  const std::uint64_t life = life_number(header);
  if (old->header.epoch > header.epoch) return refuse(put_verdict::older_epoch);
  const bool same = old->has_life() && same_life(old->header, header);  // then it began after the erasure
  if (!same && join_detail::is_over(*old, life)) return refuse(put_verdict::older_life);
  if (!same && fresh.seen < old->erased_at) return refuse(put_verdict::erased);
  next.number = (std::max)(fresh.number, old->number + 1);
  next.erased_at = old->erased_at;
  next.past_lives = old->past_lives;
  if (!same && old->has_life()) join_detail::end_life(next, life_number(old->header));
  const bool joins = same && old->page_bytes == fresh.page_bytes && old->layers == fresh.layers &&
                     old->value_bytes == fresh.value_bytes && old->codec == fresh.codec;
  const record_union both = joins ? join(old->header, header) : record_union{header.tokens, header.pages()};
  next.header.tokens = both.tokens;
  const page_interval all = pages_of(both.tokens, header.page_tokens);
  if (joins) {
    for (const put_pages& p : old->puts) join_detail::add_used(next.puts, p, {all.begin, both.from_fresh.begin});
  }
  join_detail::add_used(next.puts, mine, both.from_fresh);
  if (joins) {
    for (const put_pages& p : old->puts) join_detail::add_used(next.puts, p, {both.from_fresh.end, all.end});
  }
  if (next.puts.size() > most_puts) return refuse(put_verdict::too_many);
  out.left = *old;
  out.left.puts.clear();
  for (const put_pages& p : old->puts) {
    const bool stays = std::any_of(next.puts.begin(), next.puts.end(),
                                   [&](const put_pages& q) { return joins && q.number == p.number; });
    const bool twice = std::any_of(out.left.puts.begin(), out.left.puts.end(),
                                   [&](const put_pages& q) { return q.number == p.number; });
    if (!stays && !twice) out.left.puts.push_back(p);
  }
  return out;
}

/// Nothing of the sequence is there from `number` on, and no life of it goes on. What was there, with all its puts, is for the
/// caller to take away.
[[nodiscard]] inline manifest erased(const std::optional<manifest>& old, const sequence_key& key, std::uint64_t number)
{
  manifest out;
  out.key = key;
  out.number = old ? (std::max)(number, old->number + 1) : number;
  out.erased_at = out.number;
  if (!old) return out;
  out.past_lives = old->past_lives;
  if (old->has_life()) join_detail::end_life(out, life_number(old->header));
  return out;
}

/// A put of this life was refused because of an erasure: from here on it is by everybody, also by who does not remember when
/// the life began. Empty: that is known already, or the life has begun anew.
[[nodiscard]] inline std::optional<manifest> without_life(const manifest& old, const record_header& of,
                                                          std::uint64_t number)
{
  const std::uint64_t life = life_number(of);
  if ((old.has_life() && same_life(old.header, of)) || join_detail::is_over(old, life)) return std::nullopt;
  manifest out = old;
  out.number = (std::max)(number, old.number + 1);
  join_detail::end_life(out, life);
  return out;
}

/// Values of the sequence turned out to be missing: nothing is there, but what was said of lives and erasures stands, and the
/// newest life goes on.
[[nodiscard]] inline manifest emptied(const manifest& old, std::uint64_t number)
{
  manifest out = old;
  out.number = (std::max)(number, old.number + 1);
  out.header = {};
  out.header.incarnation = old.header.incarnation;
  out.header.epoch = old.header.epoch;
  out.header.format = old.header.format;
  out.header.page_tokens = old.header.page_tokens;
  out.codec = 0;  // whoever has another, or none, reads what stands
  out.puts.clear();
  return out;
}

}  // namespace kvstrata::redis
