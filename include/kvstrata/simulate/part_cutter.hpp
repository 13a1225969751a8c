// Makes requests of parts of requests of histories, as a model like MTGR has them: a static part S that is made anew at a cut, a
// real-time part R that grows on top of it, candidates that nobody keeps (docs/models.md).
//
//   part_cutter cutter({.statics = 1000, .recents = 100, .candidates = 100});
//   std::array<part, part_cutter::most> room;
//   const auto parts = cutter.cut(plain, room);   // room must live as long as the request
//   const request asked = of_parts(plain, parts);
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/plan/request.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class cut_period : std::uint8_t { daily, weekly };  ///< weeks begin on Mondays

[[nodiscard]] constexpr std::string_view name_of(cut_period period) noexcept
{
  return period == cut_period::daily ? "daily" : "weekly";
}

struct part_options
{
  token_count statics = 1000;  ///< tokens of S at most: the last ones before the cut; 0: there is none
  token_count recents = 100;   ///< tokens of R at most; when more has happened since the cut, S is made anew at once
  token_count candidates = 0;  ///< tokens of a scratch part; 0: there is none
  cut_period cut = cut_period::daily;
  std::int64_t zone_ms = 0;  ///< midnight is so much before that of UTC
};

/// Throws config_error.
inline void check(const part_options& o)
{
  if (o.recents == 0) throw config_error("part_options.recents", 0, "it must be at least 1: nothing could happen");
  constexpr std::int64_t day_ms = 24 * 3600 * 1000;
  if (o.zone_ms < -day_ms || o.zone_ms > day_ms)
    throw config_error("part_options.zone_ms", std::to_string(o.zone_ms), "it must lie within a day");
}

/// The same request of these parts, which must live as long as it.
[[nodiscard]] constexpr request of_parts(const request& plain, std::span<const part> parts) noexcept
{
  request out{.user = plain.user, .epoch = plain.epoch, .time_ms = plain.time_ms, .hint = plain.hint};
  out.exact = plain.exact;
  out.if_rewritten = plain.if_rewritten;
  out.parts = parts;
  return out;
}

/// A user's requests must come in the order of their times. 32 bytes a user. Not synchronised.
class part_cutter
{
 public:
  static constexpr std::size_t most = 3;                              ///< parts of a request
  static constexpr std::uint32_t static_space = 1, recent_space = 2;  ///< of their keys; the id is the user's number

  /// Throws config_error.
  explicit part_cutter(const part_options& options) : options_(options) { check(options); }

  /// Of a request that knows the user's first history_tokens tokens. S is what was known at the user's last request before the
  /// cut, or at the first of all; its version is how often it was made. Who knew nothing then has no S. O(1) on the average.
  std::span<const part> cut(const request& plain, std::span<part, most> room)
  {
    user_state& u = users_[plain.user];
    const std::int64_t now = period_of(plain.time_ms);
    const token_count known = plain.history_tokens;
    const bool is_new = u.version == 0;
    token_count end = is_new ? known : now != u.period ? u.known : u.static_end;
    if (known < end || known - end > options_.recents)
      end = known;  // what is left of the history, or what R has no room for
    if (is_new || now != u.period || end != u.static_end) ++u.version;
    u = user_state{.period = now, .version = u.version, .static_end = end, .known = known};
    std::size_t count = 0;
    const std::uint64_t id = to_number(plain.user);
    const token_count statics = (std::min)(u.static_end, options_.statics);
    if (statics != 0)
      room[count++] =
          part{.key = {static_space, id}, .version = u.version, .tokens = statics, .mode = part_mode::replace};
    room[count++] = part{.key = {recent_space, id}, .version = u.version, .tokens = known - u.static_end};
    if (options_.candidates != 0) room[count++] = part{.tokens = options_.candidates, .mode = part_mode::scratch};
    return room.first(count);
  }

  [[nodiscard]] const part_options& options() const noexcept { return options_; }

 private:
  struct user_state
  {
    std::int64_t period = 0;
    std::uint32_t version = 0;
    token_count static_end = 0;  ///< of the history
    token_count known = 0;       ///< at the last request
  };

  [[nodiscard]] std::int64_t period_of(std::int64_t time_ms) const noexcept
  {
    constexpr std::int64_t day_ms = 24 * 3600 * 1000;
    const std::int64_t shifted = time_ms + options_.zone_ms;
    const std::int64_t day = (shifted - (shifted < 0 ? day_ms - 1 : 0)) / day_ms;
    return options_.cut == cut_period::daily ? day : (day + 3 - (day + 3 < 0 ? 6 : 0)) / 7;  // 1970 began on a Thursday
  }

  part_options options_;
  boost::unordered_flat_map<user_id, user_state> users_;
};

}  // namespace kvstrata
