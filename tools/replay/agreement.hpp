// How far the scores of a case lie from recomputation, how many of the candidates that these rank first stay there, and whether
// they are those of the same cache without a codec.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace replay {

struct score_agreement
{
  static constexpr std::array<std::size_t, 2> bests = {10, 100};

  std::uint64_t requests = 0;  ///< compared
  double error = 0;            ///< root of the mean square difference / that of the scores
  double largest = 0;          ///< difference
  double mean = 0;             ///< of the differences, without their signs
  std::array<double, 2>
      kept{};  ///< of the best 10 and 100 candidates of a request and task, the share that is among the
               ///< best of both; 0 where there are no more candidates than that
  /// Scores that are not, bit by bit, those of the same cache without a codec; absent where that did not run.
  std::optional<std::uint64_t> unlike_uncoded{};
  friend bool operator==(const score_agreement&, const score_agreement&) = default;
};

/// Adds up one case's. The ranking is by score, of equals the first candidate first.
class agreement_sums
{
 public:
  /// One answer, [candidates][tasks] both.
  void add(std::span<const float> served, std::span<const float> recomputed, std::uint32_t tasks);

  /// The same answer, and the one of the same cache without a codec.
  void compare_uncoded(std::span<const float> served, std::span<const float> uncoded);

  [[nodiscard]] score_agreement result() const;

 private:
  std::uint64_t requests_ = 0;
  std::uint64_t scores_ = 0;
  double difference_ = 0, magnitude_ = 0, largest_ = 0, absolute_ = 0;
  std::optional<std::uint64_t> unlike_uncoded_;
  std::array<double, 2> kept_{};
  std::array<std::uint64_t, 2> rankings_{};
  std::vector<std::size_t> order_[2];
};

}  // namespace replay
