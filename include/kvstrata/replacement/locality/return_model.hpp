// How likely a user is to come back soon: a sum of simple reasons, whose weights are learned while requests come in.
//
//   rate = w . reasons    reasons: being known at all; visits just before, lately, and steady ones; steady visits at
//                         this time of day; the length of the history
//
// What fades does so with requests: half-lives are parts and multiples of a lifetime in the cache, so that users who stay
// for minutes and users who stay for weeks are told apart as well. Only the day is as long as it is.
//
// A self-exciting point process (Hawkes, "Spectra of some self-exciting and mutually exciting point processes",
// Biometrika 1971), fitted by expectation and maximisation as the requests come (Marsan, Lengline, "Extending
// earthquakes' reach through cascading", Science 2008): whoever comes back shares the credit among the reasons for it,
// in the proportion of what each predicted, and somebody drawn from memory says how common each reason is among all who
// could have come. A weight is credit by commonness. There is no rate of learning to tune, weights stay positive, and
// because both are counted by requests, the rhythm that all users share cancels out.
#pragma once

#include <kvstrata/core/exact.hpp>
#include <kvstrata/replacement/locality/fast_exponential.hpp>
#include <kvstrata/replacement/locality/visit_memory.hpp>
#include <kvstrata/replacement/locality/visit_time.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

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
      root_of_length_[code] = std::sqrt(octave_decoded(static_cast<std::uint8_t>(code)));
    }
    look_ahead();
  }

  /// How many requests count as one lifetime in the cache: half-lives that are not times follow it.
  void set_unit(std::uint32_t requests) noexcept
  {
    unit_ = static_cast<float>((std::max)(requests, 1U));
    step_scale_ = static_cast<std::uint64_t>(4294967296.0F * recent_halvings * halving_table::steps / unit_);
    set_steady();
  }
  void set_timed(bool timed) noexcept { timed_ = timed; }

  /// Rate at which the user comes within the next lifetime; above 0.
  [[nodiscard]] float rate(const visit_record& record, const visit_time& now) const noexcept
  {
    const std::uint64_t steps = steps_since(record, now);
    return weighed(record, now, just_of(steps), halves_(steps), halves_(steady_steps_since(record, now)));
  }

  /// The same for who is here just now: nothing has faded.
  [[nodiscard]] float rate_at_visit(const visit_record& record, const visit_time& now) const noexcept
  {
    return weighed(record, now, 1.0F, 1.0F, 1.0F);
  }

  /// How often the user is expected to come within so many lifetimes: what fades counts for as long as it lasts, and
  /// the time of day for its mean over the day. Above 0, and never more than `lifetimes` times the rate without fading.
  [[nodiscard]] float expected(const visit_record& record, const visit_time& now, float lifetimes) const noexcept
  {
    reason_list parts = reasons_of(record, now, {});
    float all = least * lifetimes;
    for (std::size_t r = 0; r < reasons; ++r) {
      const float nats = 0.6931472F * halvings_[r];
      const float lasting = nats * lifetimes < 1e-3F ? lifetimes : (1.0F - std::exp(-nats * lifetimes)) / nats;
      all += parts[r] * weight_[r] * units[r] * lasting;
    }
    return all;
  }

  /// A user came (`returned` is null for one who was not remembered) and another was drawn from the `users` remembered.
  /// Both as they were before. True when weights have changed.
  bool learn(const visit_record* returned, const visit_record* drawn, const visit_time& now, float users) noexcept
  {
    if (returned != nullptr) {
      reason_list parts = reasons_of(*returned, now, now.here);
      float all = least;
      for (std::size_t r = 0; r < reasons; ++r) all += parts[r] *= weight_[r] * units[r];
      const float share = 1.0F / all;
      for (std::size_t r = 0; r < reasons; ++r) credit_[r] += parts[r] * share;
    }
    if (returned != nullptr) {
      const auto gap = static_cast<float>(now.request - returned->last_request);
      gaps_ = (std::min)(gaps_ + 1, gaps_remembered);
      gap_ += (gap - gap_) / gaps_;
    }
    if (drawn != nullptr) {
      const reason_list x = reasons_of(*drawn, now, now.here);
      const float each = users / unit_;
      for (std::size_t r = 0; r < reasons; ++r) common_[r] += x[r] * units[r] * each;
    }
    if (++lessons_ % lessons_a_step != 0) return false;
    float credits = 0;
    for (std::size_t r = 0; r < reasons; ++r) {
      if (common_[r] > prior_users / 2) {  // of what nobody has nothing can be learned
        credit_[r] *= kept;
        common_[r] *= kept;
      }
      credits += credit_[r];
    }
    for (std::size_t r = 0; r < reasons; ++r) {
      if (is_exactly(weight_[r], 0) || common_[r] <= prior_users / 2) continue;  // left out, or unknown
      credit_[r] = (std::max)(credit_[r], credits * least_credit);
      weight_[r] = (std::max)(credit_[r] / (common_[r] + least), least_weight);
    }
    set_steady();
    look_ahead();
    return true;
  }

  /// How often rates halve in a lifetime: each reason's own number, by the credit it has left when nearly a lifetime has
  /// passed.
  [[nodiscard]] float halvings() const noexcept
  {
    float all = least;
    float sum = 0;
    for (std::size_t r = 0; r < reasons; ++r) {
      const float left = credit_[r] * std::exp2(-halvings_[r] * later);
      all += left;
      sum += left * halvings_[r];
    }
    return sum / all;
  }

  /// Counts a visit in. A new record is all zero. Counts stop at eight visits: who came fifty times is not six times
  /// likelier to come than who came eight times.
  void visit(visit_record& record, const visit_time& now) const noexcept
  {
    const std::uint64_t steps = steps_since(record, now);
    const std::uint32_t rest = halves_.whole(steady_steps_since(record, now));
    record.recent = one_more(record.recent, halves_.whole(steps));
    record.last_request = now.request;
    if (!timed_) {
      record.steady = one_more(record.steady, rest);
      return;
    }
    // At eight visits the oldest fade in all sums alike, so that they keep their hour.
    const std::uint32_t faded = record.steady * rest > 222U * 32768U ? rest - rest / 8 : rest;
    record.steady = one_more(record.steady, faded);
    const auto kept_of = [&](std::size_t i) {
      return static_cast<std::int8_t>((record.wave[i] * static_cast<std::int32_t>(faded) + now.one_visit[i]) >> 15);
    };
    record.wave = {kept_of(0), kept_of(1), kept_of(2), kept_of(3)};
  }

  [[nodiscard]] const reason_list& weights() const noexcept { return weight_; }

 private:
  static constexpr float prior_users = 50.0F;  // what the first weights count for, in lifetimes of users
  static constexpr float least = 1e-9F;
  // A reason that explains nothing now may do so later.
  static constexpr float least_credit = 1e-3F;  // a share of all
  static constexpr float least_weight = 1e-6F;
  static constexpr float later = 0.9F;  // of a lifetime: about when it is decided who goes
  static constexpr reason_list units{1.0F, 1.0F / 32, 1.0F / 32, 1.0F / 32, 1.0F / visit_time::hour_one, 1.0F};
  static constexpr std::uint32_t lessons_a_step = 32;
  static constexpr float kept = 1.0F - 32.0F / 1700.0F;  // lessons are half forgotten after 1,200
  static constexpr float recent_halvings = 0.5F;         // of recent visits, in a lifetime

  static constexpr float to_come = 0.8F;  // lifetimes that a rate is the mean of

  static constexpr float first_steady_life = 16;  // lifetimes in which steady visits halve, until gaps are known
  static constexpr float least_steady_life = 8;
  static constexpr float gaps_a_life = 2;  // mean gaps in which they halve then
  static constexpr float gaps_remembered = 1024;

  [[nodiscard]] std::uint64_t steps_since(const visit_record& record, const visit_time& now) const noexcept
  {
    return std::uint64_t{now.request - record.last_request} * step_scale_ >> 32U;
  }
  [[nodiscard]] std::uint64_t steady_steps_since(const visit_record& record, const visit_time& now) const noexcept
  {
    return std::uint64_t{now.request - record.last_request} * steady_scale_ >> 32U;
  }
  [[nodiscard]] static std::uint8_t one_more(std::uint32_t count, std::uint32_t rest) noexcept
  {
    return static_cast<std::uint8_t>((std::min)((count * rest + (32U << 15U) + 16384U) >> 15U, 255U));
  }
  [[nodiscard]] static float real(std::uint32_t x) noexcept
  {
    return static_cast<float>(static_cast<std::int32_t>(x));  // quicker than from an unsigned number
  }

  /// In their own units: what one of each is, is left to the weights.
  [[nodiscard]] reason_list reasons_of(const visit_record& record, const visit_time& now,
                                       const std::array<std::int32_t, 4>& wave) const noexcept
  {
    const std::uint64_t steps = steps_since(record, now);
    const float lately = real(record.recent) * halves_(steps);
    const float rest = halves_(steady_steps_since(record, now));
    return {1.0F,
            lately * just_of(steps),
            lately,
            real(record.steady) * rest,
            timed_ ? same_hour(record, wave) * rest : 0.0F,
            root_of_length_[record.length]};
  }
  /// The reasons by their weights, where so much is left of visits: of those just before by what is left lately, of those
  /// lately, and of the steady ones. What they have in common is taken out of the sum of products, as a look waits for it.
  [[nodiscard]] float weighed(const visit_record& record, const visit_time& now, float just, float fading,
                              float rest) const noexcept
  {
    const reason_list& weight = ahead_weight_;
    float steady = weight[3] * real(record.steady);
    if (timed_) steady += weight[4] * same_hour(record, now.ahead);
    const float lately = real(record.recent) * fading;
    return (weight[0] + weight[5] * root_of_length_[record.length]) + lately * (weight[2] + weight[1] * just) +
           steady * rest;
  }

  /// What is left of visits just before, by what is left of those lately: together they halve nine times as often.
  [[nodiscard]] float just_of(std::uint64_t steps) const noexcept { return halves_(8 * steps); }
  /// ((1 + cos a) / 2)^2 of the angle between then and now, which is 3/8 + cos(a) / 2 + cos(2a) / 8.
  [[nodiscard]] static float same_hour(const visit_record& record, const std::array<std::int32_t, 4>& wave) noexcept
  {
    const std::int32_t sum = record.steady * (3 * visit_time::hour_one / 8 / 32) +
                             (record.wave[0] * wave[0] + record.wave[1] * wave[1]) +
                             (record.wave[2] * wave[2] + record.wave[3] * wave[3]);
    return static_cast<float>((std::max)(sum, 0));
  }

  /// Steady visits halve in as many requests as lie between two of a user, on average over those who come back.
  void set_steady() noexcept
  {
    const float known = gaps_ / gaps_remembered;
    const float life = unit_ * first_steady_life * (1.0F - known) + known * gaps_a_life * gap_;
    const float steady = (std::min)((std::max)(life, least_steady_life * unit_), 1e9F);
    steady_scale_ = static_cast<std::uint64_t>(4294967296.0F * halving_table::steps / steady);
    halvings_ = {0, 8 * recent_halvings, recent_halvings, unit_ / steady, unit_ / steady, 0};
  }

  /// What fades counts by its mean.
  void look_ahead() noexcept
  {
    for (std::size_t r = 0; r < reasons; ++r) {
      const float nats = 0.6931472F * to_come * halvings_[r];
      ahead_weight_[r] = weight_[r] * units[r] * (nats > 0 ? (1.0F - std::exp(-nats)) / nats : 1.0F);
    }
    ahead_weight_[0] += least;
  }

  halving_table halves_;
  std::uint64_t step_scale_ = 0;  // steps of recent visits a request, in 2^-32
  std::uint64_t steady_scale_ = 0;
  float unit_ = 1.0F;
  float gap_ = 0;           // between two visits of a user, in requests: the mean of late
  float gaps_ = 0;          // that it is the mean of
  reason_list halvings_{};  // of each reason, in a lifetime
  bool timed_ = false;
  std::uint32_t lessons_ = 0;
  reason_list ahead_weight_{};
  reason_list weight_{0.02F, 0.14F, 0.1F, 0.1F, 0.04F, 0.02F};  // a first guess
  reason_list credit_{};
  reason_list common_{};
  std::array<float, 256> root_of_length_{};
};

}  // namespace kvstrata::detail
