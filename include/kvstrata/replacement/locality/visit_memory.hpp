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
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// Counts and sums are as they were at the last visit; whoever reads them lets them decay to the present.
struct visit_record
{
  std::uint32_t last_request = 0;  ///< the last visit, in requests of all users
  std::array<std::int8_t, 4>
      wave{};               ///< the steady visits as sums of cos and sin of the time of day, and of twice it, in 15ths
  std::uint8_t steady = 0;  ///< visits that decay in two mean gaps between visits, in 32nds
  std::uint8_t length = 0;  ///< octave_code of the events of the history
  std::array<std::uint8_t, 2> unused{};
  std::uint8_t recent = 0;  ///< visits that decay in two lifetimes, in 32nds; 0 only where there was no visit
  std::array<std::uint8_t, 3> also_unused{};
};
static_assert(sizeof(visit_record) == 16);

class visit_memory
{
 public:
  /// Where a user's record is, or would be.
  struct place
  {
    std::uint32_t at = 0;
    std::uint16_t tag = 0;  ///< of the user
  };

  /// For at least `users` users. Throws std::bad_alloc.
  explicit visit_memory(std::uint64_t users) : sets_((std::min)(users / ways + 1, most_sets)) {}

  /// Is the user remembered? Says where.
  [[nodiscard]] bool find(user_id user, place& where) const noexcept
  {
    where = home(user);
    const std::uint32_t way = ways_with(sets_[where.at / ways], where.tag);
    where.at += way % ways;
    return way != ways;
  }

  /// Asks the memory for where find() will look, and settle().
  void prefetch(user_id user) const noexcept { prefetch(home(user)); }
  void prefetch(const place& where) const noexcept
  {
#if defined(__GNUC__) || defined(__clang__)
    const auto* const lines = reinterpret_cast<const unsigned char*>(&sets_[where.at / ways]);
    __builtin_prefetch(lines, 1);
    __builtin_prefetch(lines + sizeof(set) / 2, 1);
#else
    static_cast<void>(where);
#endif
  }

  /// Makes room for a user who is not remembered: `where` is what find() left. What they did is to be stored next.
  void claim(place& where, std::uint32_t now) noexcept
  {
    set& home = sets_[where.at / ways];
    std::uint32_t way = ways_with(home, 0);
    if (way != ways) {
      ++users_;
    } else {
      // The longest time away and its way in one number, without a branch: nobody can foresee them.
      std::uint64_t longest = 0;
      for (std::uint32_t i = 0; i < ways; ++i) {
        std::uint32_t last = 0;
        std::memcpy(&last, home.records[i].data(), sizeof last);
        longest = (std::max)(longest, std::uint64_t{now - last} * ways + i);
      }
      way = static_cast<std::uint32_t>(longest % ways);
    }
    where.at = where.at / ways * ways + way;
    home.tags[way] = where.tag;
  }

  /// What the user did whom find() found.
  [[nodiscard]] visit_record load(const place& where) const noexcept
  {
    const visit_record record = stored(where);
    if (record.recent != 0) return record;
    const visit_record* live = nullptr;
    std::memcpy(static_cast<void*>(&live), sets_[where.at / ways].records[where.at % ways].data() + address_at,
                sizeof(void*));
    return *live;
  }
  /// From now on, until settle(), what the user did who was found or claimed stands in `live`, and is read there.
  void lend(const place& where, const visit_record& live) noexcept
  {
    visit_record record;
    const visit_record* const address = &live;
    record.last_request = live.last_request;
    store(where, record);
    std::memcpy(sets_[where.at / ways].records[where.at % ways].data() + address_at, &address, sizeof(void*));
  }
  /// What the user did stands here again; they get a new record if they have lost theirs.
  void settle(place where, const visit_record& record) noexcept
  {
    set& home = sets_[where.at / ways];
    if (home.tags[where.at % ways] != where.tag) {
      const std::uint32_t way = ways_with(home, where.tag);
      where.at = where.at / ways * ways + way % ways;
      if (way == ways) claim(where, record.last_request);
    }
    store(where, record);
  }

  /// Draws somebody by a uniform number: the first from there on. False when hundreds in a row are nobody's, as they
  /// are at the beginning only.
  [[nodiscard]] bool any(std::uint32_t draw, visit_record& record) const noexcept
  {
    const std::uint64_t from = (std::uint64_t{draw} * size()) >> 32U;
    std::size_t at = from / ways;
    std::uint32_t way = from % ways;
    for (int steps = 0; steps < 64; ++steps, way = 0) {
      for (; !is_empty(sets_[at]) && way < ways; ++way) {
        if (sets_[at].tags[way] == 0) continue;
        record = load({.at = static_cast<std::uint32_t>(at * ways + way)});
        return true;
      }
      if (++at == sets_.size()) at = 0;
    }
    return false;
  }

  /// How many users are remembered.
  [[nodiscard]] std::size_t users() const noexcept { return users_; }
  [[nodiscard]] std::size_t size() const noexcept { return sets_.size() * ways; }

 private:
  static constexpr std::uint32_t ways = 8;
  static constexpr std::uint64_t most_sets = std::uint64_t{1} << 28U;
  static constexpr std::size_t record_bytes = 14;
  static constexpr std::size_t address_at = sizeof(std::uint32_t);  // of a record that is lent, behind last_request
  static_assert(address_at + sizeof(void*) <= offsetof(visit_record, recent));

  struct alignas(64) set  // two lines of a processor's memory, not three
  {
    std::array<std::uint16_t, ways> tags{};  // 0: nobody's
    std::array<std::array<unsigned char, record_bytes>, ways> records{};
  };
  static_assert(sizeof(set) == 16 * ways);

  [[nodiscard]] visit_record stored(const place& where) const noexcept
  {
    visit_record record;
    std::memcpy(static_cast<void*>(&record), sets_[where.at / ways].records[where.at % ways].data(), record_bytes);
    return record;
  }
  void store(const place& where, const visit_record& record) noexcept
  {
    std::memcpy(sets_[where.at / ways].records[where.at % ways].data(), &record, record_bytes);
  }

  [[nodiscard]] static bool is_empty(const set& one) noexcept
  {
    std::array<std::uint64_t, 2> four{};
    std::memcpy(four.data(), one.tags.data(), sizeof four);
    return (four[0] | four[1]) == 0;
  }

  /// The first way with this tag, or `ways`: four at a time, by the borrow that a lane of zero causes.
  [[nodiscard]] static std::uint32_t ways_with(const set& one, std::uint16_t tag) noexcept
  {
    static constexpr std::uint64_t ones = 0x0001000100010001U;
    std::array<std::uint64_t, 2> four{};
    std::memcpy(four.data(), one.tags.data(), sizeof four);
    const auto without = [tag](std::uint64_t tags) {
      const std::uint64_t differs = tags ^ ones * tag;
      return (differs - ones) & ~differs & ones << 15U;
    };
    // Which half it is in cannot be foreseen: no branch.
    const std::uint64_t low = without(four[0]);
    const std::uint64_t none = low != 0 ? low : without(four[1]);
    const std::uint32_t first = low != 0 ? 0 : ways / 2;
    if (none == 0) return ways;
    const int lane = std::endian::native == std::endian::little ? std::countr_zero(none) : std::countl_zero(none);
    return first + static_cast<std::uint32_t>(lane) / 16;
  }

  [[nodiscard]] place home(user_id user) const noexcept
  {
    std::uint64_t hash = to_number(user) * 0x9e3779b97f4a7c15U;
    hash ^= hash >> 32U;
    hash *= 0xd6e8feb86659fd93U;
    const auto tag = static_cast<std::uint16_t>(hash >> 8U);
    return {.at = static_cast<std::uint32_t>((hash >> 32U) * sets_.size() >> 32U) * ways,
            .tag = tag != 0 ? tag : std::uint16_t{1}};
  }

  std::size_t users_ = 0;
  std::vector<set> sets_;
};

}  // namespace kvstrata::detail
