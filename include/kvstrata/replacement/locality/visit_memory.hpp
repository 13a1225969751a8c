// What is remembered of users' visits, 16 bytes each: in a table of fixed size, whether they are in the tier or not.
//
// The table is divided into sets of eight records; a user's set follows from the user's number. Who comes newly takes
// an empty record of the set or that of whoever was away longest. Two users whose hashes agree in the set and in 16
// further bits share a record: that blurs a score and does nothing worse. Find and claim are O(1); nothing allocates
// after construction.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::detail {

/// Counts and sums are as they were at the last visit; whoever reads them lets them decay to the present.
struct visit_record
{
  std::uint16_t tag = 0;           ///< of the user; 0: nobody's
  std::uint16_t last_slot = 0;     ///< time of the last visit, in slots of 10 minutes, modulo 455 days
  std::uint32_t last_request = 0;  ///< the same in requests of all users
  std::uint8_t recent = 0;         ///< visits that decay with requests, in 32nds
  std::uint8_t daily = 0;          ///< visits that decay within a day, in 32nds
  std::uint8_t length = 0;         ///< 16 log2(1 + events of the history)
  std::uint8_t rhythm = 0;         ///< visits that decay within four days, in 32nds
  std::array<std::int8_t, 4>
      wave{};  ///< the same visits as sums of cos and sin of the time of day, and of twice it, in 16ths
};
static_assert(sizeof(visit_record) == 16);

class visit_memory
{
 public:
  using position = std::uint32_t;

  /// Where a user's record is, or would be.
  struct place
  {
    position at = 0;
    std::uint16_t tag = 0;
  };

  /// For at least `users` users. Throws std::bad_alloc.
  explicit visit_memory(std::uint64_t users)
      : sets_(static_cast<std::uint32_t>((std::min)((users + ways - 1) / ways + 1, most_sets))),
        records_(std::size_t{sets_} * ways)
  {
  }

  /// The user's record, or null.
  [[nodiscard]] visit_record* find(user_id user, place& where) noexcept
  {
    where = home(user);
    for (position at = where.at; at != where.at + ways; ++at) {
      if (records_[at].tag == where.tag) {
        where.at = at;
        return &records_[at];
      }
    }
    return nullptr;
  }

  /// A record for a user who has none: `where` is what find() left. Its visits are none.
  [[nodiscard]] visit_record& claim(place& where, std::uint32_t now) noexcept
  {
    position oldest = where.at;
    for (position at = where.at; at != where.at + ways; ++at) {
      if (records_[at].tag == 0) {
        oldest = at;
        break;
      }
      if (now - records_[at].last_request > now - records_[oldest].last_request) oldest = at;
    }
    where.at = oldest;
    users_ += records_[oldest].tag == 0;
    records_[oldest] = {};
    records_[oldest].tag = where.tag;
    return records_[oldest];
  }

  /// The record of somebody, drawn by a uniform number: the first from there on. Null when hundreds in a row are
  /// nobody's, as they are at the beginning only.
  [[nodiscard]] const visit_record* any(std::uint32_t draw) const noexcept
  {
    std::size_t at = static_cast<std::size_t>((std::uint64_t{draw} * records_.size()) >> 32U);
    for (int steps = 0; steps < 512; ++steps) {
      if (records_[at].tag != 0) return &records_[at];
      if (++at == records_.size()) at = 0;
    }
    return nullptr;
  }

  /// How many users are remembered.
  [[nodiscard]] std::size_t users() const noexcept { return users_; }
  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }

 private:
  static constexpr std::uint32_t ways = 8;
  static constexpr std::uint64_t most_sets = std::uint64_t{1} << 28U;

  [[nodiscard]] place home(user_id user) const noexcept
  {
    std::uint64_t hash = to_number(user) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 32U;
    hash *= 0xd6e8feb86659fd93U;
    const auto tag = static_cast<std::uint16_t>(hash >> 8U);
    return {.at = static_cast<position>(((hash >> 32U) * sets_) >> 32U) * ways,
            .tag = tag != 0 ? tag : std::uint16_t{1}};
  }

  std::uint32_t sets_;
  std::size_t users_ = 0;
  std::vector<visit_record> records_;
};

}  // namespace kvstrata::detail
