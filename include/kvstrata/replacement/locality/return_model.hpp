// How likely a user is to come back soon: a sum of simple reasons, whose weights are learned while requests come in.
//
//   rate = w . reasons    reasons: being known at all; a visit just before; visits lately; visits within a day; visits
//                         at this time of day (within four days); the length of the history
//
// A self-exciting point process (Hawkes, "Spectra of some self-exciting and mutually exciting point processes",
// Biometrika 1971), fitted by expectation and maximisation as the requests come (Marsan, Lengline, "Extending
// earthquakes' reach through cascading", Science 2008): whoever comes back shares the credit among the reasons for it,
// in the proportion of what each predicted, and somebody drawn from memory says how common each reason is among all who
// could have come. A weight is credit by commonness. There is no rate of learning to tune, weights stay positive, and
// because both are counted by requests, the rhythm that all users share cancels out.
#pragma once

#include <kvstrata/replacement/locality/fast_exponential.hpp>
#include <kvstrata/replacement/locality/visit_memory.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kvstrata::detail {

/// A point in time: by requests, and by the clock in slots of 10 minutes.
struct visit_time
{
  static constexpr std::int64_t slot_ms = 10 * 60 * 1000;
  static constexpr std::int64_t slots_a_day = 144;

  std::uint32_t request = 0;
  std::uint16_t slot = 0;                              ///< modulo 455 days
  std::array<float, 4> wave{1.0F, 0.0F, 1.0F, 0.0F};   ///< cos and sin of the time of day, and of twice it
  std::array<float, 4> ahead{1.0F, 0.0F, 1.0F, 0.0F};  ///< the same two hours later, as averages of four hours

  void set_slot(std::int64_t slot_number) noexcept
  {
    slot = static_cast<std::uint16_t>(slot_number);
    const auto angle_of = [](std::int64_t s) {
      return 6.283185307179586 * static_cast<double>(s % slots_a_day) / static_cast<double>(slots_a_day);
    };
    const double here = angle_of(slot_number);
    const double later = angle_of(slot_number + 12);
    const double one = 0.9549;  // sin(x) / x for four hours of a day's circle, and of twice it
    const double two = 0.8270;
    wave = {static_cast<float>(std::cos(here)), static_cast<float>(std::sin(here)),
            static_cast<float>(std::cos(2 * here)), static_cast<float>(std::sin(2 * here))};
    ahead = {static_cast<float>(one * std::cos(later)), static_cast<float>(one * std::sin(later)),
             static_cast<float>(two * std::cos(2 * later)), static_cast<float>(two * std::sin(2 * later))};
  }
};

class return_model
{
 public:
  static constexpr std::size_t reasons = 6;
  using reason_list = std::array<float, reasons>;

  /// Knows the reasons whose bits, from the lowest on, are set in `known`; to leave one out shows what it is worth.
  explicit return_model(std::uint32_t known)
  {
    for (std::size_t r = 0; r < reasons; ++r) {
      if ((known >> r & 1U) == 0) weight_[r] = 0;
      common_[r] = prior_users;
      credit_[r] = weight_[r] * prior_users;
    }
    for (std::size_t code = 0; code < root_of_length_.size(); ++code) {
      root_of_length_[code] = std::sqrt(std::exp2(static_cast<float>(code) / 16.0F) - 1.0F);
    }
  }

  /// How many requests count as one lifetime in the cache: half-lives that are not times follow it.
  void set_unit(std::uint32_t requests) noexcept
  {
    unit_ = static_cast<float>((std::max)(requests, 1U));
    last_scale_ = 4.0F / unit_;
    recent_scale_ = 0.5F / unit_;
    slow_scale_ = 0.0625F / unit_;
  }
  void set_timed(bool timed) noexcept { timed_ = timed; }
  [[nodiscard]] bool timed() const noexcept { return timed_; }

  /// Rate at which the user comes within the next while (half a lifetime, four hours); above 0.
  [[nodiscard]] float rate(const visit_record& record, const visit_time& now) const noexcept
  {
    reason_list x = reasons_of(record, now, now.ahead);
    x[1] *= 0.541F;  // the mean of 2^-age over the next half lifetime
    x[2] *= 0.919F;
    return weigh(x);
  }
  /// A user came (`returned` is null for one who was not remembered) and another was drawn from the `users` remembered.
  /// Both as they were before.
  void learn(const visit_record* returned, const visit_record* drawn, const visit_time& now, float users) noexcept
  {
    if (returned != nullptr) {
      const reason_list x = reasons_of(*returned, now, now.wave);
      const float share = 1.0F / weigh(x);
      for (std::size_t r = 0; r < reasons; ++r) credit_[r] += weight_[r] * x[r] * share;
    }
    if (drawn != nullptr) {
      const reason_list x = reasons_of(*drawn, now, now.wave);
      const float each = users / unit_;
      for (std::size_t r = 0; r < reasons; ++r) common_[r] += x[r] * each;
    }
    if (++lessons_ % lessons_a_step != 0) return;
    for (std::size_t r = 0; r < reasons; ++r) {
      credit_[r] *= kept;
      common_[r] *= kept;
      weight_[r] = credit_[r] / (common_[r] + least);
    }
  }

  /// Counts a visit in. A new record is all zero.
  void visit(visit_record& record, const visit_time& now) const noexcept
  {
    const float requests = static_cast<float>(now.request - record.last_request);
    const float slots = slots_since(record, now);
    record.recent = one_more(record.recent, halves_(requests * recent_scale_));
    record.daily = one_more(record.daily, timed_ ? halves_(slots * daily_scale) : halves_(requests * slow_scale_));
    if (timed_) {
      // Eight visits at most, too; what is forgotten above is forgotten of all sums alike, so that they keep their
      // hour.
      const float rest = halves_(slots * rhythm_scale);
      const float sum = static_cast<float>(record.rhythm) * rest + 32.0F;
      const float share = (std::min)(254.0F / sum, 1.0F);
      record.rhythm = static_cast<std::uint8_t>(sum * share + 0.5F);
      for (std::size_t i = 0; i < 4; ++i) {
        const float whole = (static_cast<float>(record.wave[i]) * rest + 16.0F * now.wave[i]) * share;
        record.wave[i] =
            static_cast<std::int8_t>((std::min)((std::max)(whole, -127.0F), 127.0F) + (whole < 0 ? -0.5F : 0.5F));
      }
    }
    record.last_request = now.request;
    record.last_slot = now.slot;
  }

  static void set_length(visit_record& record, std::uint64_t events) noexcept
  {
    const float code = 16.0F * binary_logarithm(1.0F + static_cast<float>(events));
    record.length = static_cast<std::uint8_t>((std::min)(code, 255.0F));
  }

  [[nodiscard]] const reason_list& weights() const noexcept { return weight_; }

 private:
  static constexpr float prior_users = 50.0F;  // what the first weights count for, in lifetimes of users
  static constexpr float least = 1e-9F;
  static constexpr std::uint32_t lessons_a_step = 32;
  static constexpr float kept = 1.0F - 32.0F / 2500.0F;  // lessons are half forgotten after 1,700
  static constexpr float daily_scale = 1.0F / 144.0F;    // half-life: a day
  static constexpr float rhythm_scale = 1.0F / 576.0F;   // four days

  [[nodiscard]] static float slots_since(const visit_record& record, const visit_time& now) noexcept
  {
    return static_cast<float>(static_cast<std::uint16_t>(now.slot - record.last_slot));
  }
  /// Counts stop at eight visits: who came fifty times is not six times likelier to come than who came eight times.
  [[nodiscard]] static std::uint8_t one_more(std::uint8_t count, float rest) noexcept
  {
    return static_cast<std::uint8_t>((std::min)(static_cast<float>(count) * rest + 32.5F, 255.0F));
  }

  [[nodiscard]] reason_list reasons_of(const visit_record& record, const visit_time& now,
                                       const std::array<float, 4>& wave) const noexcept
  {
    const float requests = static_cast<float>(now.request - record.last_request);
    reason_list x{1.0F,
                  halves_(requests * last_scale_),
                  static_cast<float>(record.recent) * (1.0F / 32.0F) * halves_(requests * recent_scale_),
                  0.0F,
                  0.0F,
                  root_of_length_[record.length]};
    const float daily = static_cast<float>(record.daily) * (1.0F / 32.0F);
    if (!timed_) {
      x[3] = daily * halves_(requests * slow_scale_);
      return x;
    }
    const float slots = slots_since(record, now);
    x[3] = daily * halves_(slots * daily_scale);
    // ((1 + cos a) / 2)^2 of the angle between then and now, which is 3/8 + cos(a) / 2 + cos(2a) / 8.
    const auto dot = [&](std::size_t i) {
      return static_cast<float>(record.wave[i]) * wave[i] + static_cast<float>(record.wave[i + 1]) * wave[i + 1];
    };
    const float same_hour =
        static_cast<float>(record.rhythm) * (0.375F / 32.0F) + dot(0) * (0.5F / 16.0F) + dot(2) * (0.125F / 16.0F);
    x[4] = (std::max)(same_hour, 0.0F) * halves_(slots * rhythm_scale);
    return x;
  }

  [[nodiscard]] float weigh(const reason_list& x) const noexcept
  {
    float sum = least;
    for (std::size_t r = 0; r < reasons; ++r) sum += weight_[r] * x[r];
    return sum;
  }

  halving_table halves_;
  float unit_ = 1.0F;
  float last_scale_ = 4.0F;
  float recent_scale_ = 0.5F;
  float slow_scale_ = 0.0625F;
  bool timed_ = false;
  std::uint32_t lessons_ = 0;
  reason_list weight_{0.02F, 0.1F, 0.1F, 0.05F, 0.1F, 0.02F};  // a first guess
  reason_list credit_{};
  reason_list common_{};
  std::array<float, 256> root_of_length_{};
};

}  // namespace kvstrata::detail
