// What became of the tokens of requests' parts, by what may become of them.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/plan/plan.hpp>
#include <kvstrata/plan/request.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Tokens of all parts of one mode.
struct part_outcome
{
  by_level<std::uint64_t> served{};  ///< [level] that they came from
  std::uint64_t computed = 0;
  std::uint64_t superseded = 0;  ///< of a version that went, or standing on one

  friend constexpr bool operator==(const part_outcome&, const part_outcome&) = default;
};

/// Histories are append parts.
class part_counts
{
 public:
  [[nodiscard]] constexpr const part_outcome& of(part_mode mode) const noexcept
  {
    return all_[static_cast<std::size_t>(mode)];
  }
  [[nodiscard]] constexpr part_outcome& of(part_mode mode) noexcept { return all_[static_cast<std::size_t>(mode)]; }

  constexpr void add(part_mode mode, const token_sources& came) noexcept
  {
    for (level_index i = 0; i < most_levels; ++i) of(mode).served[i] += came.from[i];
    of(mode).computed += came.computed;
  }
  /// All tokens of a request that is computed beside the cache.
  constexpr void add_computed(const request& r) noexcept
  {
    if (r.parts.empty()) of(part_mode::append).computed += window_of(r).size();
    for (const part& p : r.parts) of(p.mode).computed += p.tokens - p.first_token;
  }
  constexpr part_counts& operator+=(const part_counts& other) noexcept
  {
    for (std::size_t mode = 0; mode < all_.size(); ++mode) {
      for (level_index i = 0; i < most_levels; ++i) all_[mode].served[i] += other.all_[mode].served[i];
      all_[mode].computed += other.all_[mode].computed;
      all_[mode].superseded += other.all_[mode].superseded;
    }
    return *this;
  }
  /// What has come since, of figures that only grow.
  constexpr part_counts& operator-=(const part_counts& before) noexcept
  {
    for (std::size_t mode = 0; mode < all_.size(); ++mode) {
      for (level_index i = 0; i < most_levels; ++i) all_[mode].served[i] -= before.all_[mode].served[i];
      all_[mode].computed -= before.all_[mode].computed;
      all_[mode].superseded -= before.all_[mode].superseded;
    }
    return *this;
  }

  friend constexpr bool operator==(const part_counts&, const part_counts&) = default;

 private:
  std::array<part_outcome, 4> all_{};  // [mode]
};

/// Tokens of a request with a key, or of its history: all but scratch.
[[nodiscard]] constexpr std::uint64_t kept_tokens_of(const request& r) noexcept
{
  if (r.parts.empty()) return window_of(r).size();
  std::uint64_t sum = 0;
  for (const part& p : r.parts) sum += p.mode == part_mode::scratch ? 0 : p.tokens - p.first_token;
  return sum;
}

}  // namespace kvstrata
