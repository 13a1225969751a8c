// Only what is worth writing may come in: a write must be expected to save more than it costs.
//
//   admits:  expected reads x what reading the user saves a byte, beside the average  >=  price
//
//   reads    how often the user is expected to come back while the tier will hold what is written now. The rate is
//            locality's (locality/return_model.hpp): learned weights x reasons to come back, such as visits lately,
//            within a day, and a long history; what fades of it counts for as long as it lasts
//   hold     for as many requests as it takes to write the tier once, at the rate of late. Where less is written what
//            is written stays longer, and more is worth it: the bar finds its level by itself, and room is never left
//            unused for long. While the tier has not been filled once, and at most: 64 times as many requests as it has
//            objects, or two weeks
//   saves    loss_seconds a byte, beside the mean of who asked to come in; all are alike where no cost is told
//   price    reads that writing somebody average must earn: (write amplification x cost of writing a byte) / saving of
//            reading one. With a budget of bytes a second it doubles with every six hours' budget that was overdrawn,
//            so that what is written goes to whom it serves best, and in the long run no more is
//
// What the memory above answers needs no tier below: a request that comes sooner after the last than users stay above
// until they are offered belongs to the same visit, and a session of many requests is no proof of many returns. Where
// users are offered as they come, every request is a visit.
//
// Ours. Kin: Flashield (Eisenman et al., NSDI 2019) learns who will be read often enough to be worth flash's wear;
// CacheLib's dynamic random admission (Berg et al., OSDI 2020) adapts to a budget of writes, blind to who asks. O(1);
// allocates at construction only: 16 bytes for each user tracked, and 14 KiB of tables. Callers that tell no time have
// requests for a clock, and a budget is a day's or two in all.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/locality/return_model.hpp>
#include <kvstrata/replacement/locality/visit_memory.hpp>
#include <kvstrata/replacement/locality/visit_time.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct worth_writing_options
{
  double price = 1;                    ///< reads that a write must be expected to earn; 0: whoever was ever requested
  std::uint64_t bytes_per_second = 0;  ///< more is not written in the long run; 0: as much as is worth it
  std::uint64_t users = 0;             ///< so many are tracked; 0: eight for each of the tier's objects, at most 2^24
};

/// Options: what is used where none are given at construction, as in a tier's type.
template <worth_writing_options Options = worth_writing_options{}>
class basic_worth_writing
{
 public:
  using option_kind = admission_option;

  /// Throws config_error for a price below 0 or not finite or more users than 2^31, and std::bad_alloc.
  explicit basic_worth_writing(const tier_size& size, const worth_writing_options& options = Options)
      : tier_bytes_(static_cast<double>((std::max)(size.bytes, std::uint64_t{1}))),
        most_objects_(static_cast<double>((std::max)((std::min)(size.objects, size.bytes), std::uint64_t{1}))),
        least_price_(checked(options).price),
        bytes_per_ms_(static_cast<double>(options.bytes_per_second) / 1000.0),
        model_(all_reasons),
        memory_(options.users != 0 ? options.users : 8 * (std::min)(size.objects, std::uint64_t{1} << 21U))
  {
    set_unit(most_objects_);
  }

  void requested(const object_info& info) noexcept
  {
    tell_time(info.time_ms);
    detail::visit_memory::place where;
    const bool known = memory_.find(info.user, where);
    detail::visit_record visits = known ? memory_.load(where) : detail::visit_record{};
    const std::uint32_t now = clock_.now().request;
    const bool answered_above = known && static_cast<double>(now - visits.last_request) < stay_;
    visit_share_ += ((answered_above ? 0.0 : 1.0) - visit_share_) / (std::min)(static_cast<double>(now), 8192.0);
    if (answered_above) {
      visits.last_request = now;
    } else {
      if ((now & (now < first_lessons ? 0 : lessons_every - 1)) == 0) teach(known ? &visits : nullptr);
      if (!known) memory_.claim(where, now);
      model_.visit(visits, clock_.now());
    }
    const std::uint64_t events = info.hint.events + info.hint.visits_ms.size();
    const std::uint64_t length = events != 0 ? events : info.tokens;
    if (length != 0) visits.length = detail::octave_code(length);
    memory_.settle(where, visits);
  }

  [[nodiscard]] bool admits(const object_info& candidate, const object_info*) noexcept
  {
    detail::visit_memory::place where;
    if (!memory_.find(candidate.user, where)) return false;
    const detail::visit_record visits = memory_.load(where);
    const auto bytes = static_cast<double>(candidate.bytes);
    weight_ = (std::min)(weight_ + 1, 1024.0);
    mean_bytes_ += (bytes - mean_bytes_) / weight_;
    stay_ += (static_cast<double>(clock_.now().request - visits.last_request) - stay_) / weight_;
    follow_objects();

    const double saves = saved_beside_others(candidate);
    const double held = held_requests();
    const float reads = model_.expected(visits, clock_.now(), static_cast<float>(held / unit_));
    if (double{reads} * visit_share_ * saves < price()) return false;
    written_ += bytes;
    overdrawn_ += bytes;
    return true;
  }

  /// Reads that a write must earn now.
  [[nodiscard]] double price() const noexcept
  {
    if (!(bytes_per_ms_ > 0) || !(overdrawn_ > 0)) return least_price_;
    const double doublings = (std::min)(overdrawn_ / (bytes_per_ms_ * budget_ms), 100.0);
    return (std::max)(least_price_, lowest_price) * std::exp2(doublings);
  }
  /// Users that there is room to track.
  [[nodiscard]] std::uint64_t tracked() const noexcept { return memory_.size(); }

 private:
  static constexpr std::uint32_t all_reasons = 63;
  static constexpr std::uint32_t lessons_every = 8;     // one of so many requests teaches ...
  static constexpr std::uint32_t first_lessons = 8192;  // ... but each of the first
  static constexpr double longest = 64;                 // in requests for each of the tier's objects ...
  static constexpr double longest_slots = 14.0 * detail::visit_time::slots_a_day;  // ... and by the clock
  static constexpr double budget_ms = 6.0 * 60 * 60 * 1000;
  static constexpr double lowest_price = 1.0 / 16;  // of one that has to rise

  [[nodiscard]] static const worth_writing_options& checked(const worth_writing_options& options)
  {
    if (!(options.price >= 0) || !std::isfinite(options.price)) {
      throw config_error("worth_writing_options.price", std::to_string(options.price),
                         "it must be 0 or more, and finite");
    }
    if (options.users > std::uint64_t{1} << 31U) {
      throw config_error("worth_writing_options.users", options.users, "at most 2^31 can be tracked");
    }
    return options;
  }

  void tell_time(std::int64_t time_ms) noexcept
  {
    if (clock_.tick(time_ms)) model_.set_timed(true);
    if (told_ && time_ms <= latest_ms_) return;
    // In doubles: times may lie further apart than an integer of 64 bits can say.
    const double passed = told_ ? static_cast<double>(time_ms) - static_cast<double>(latest_ms_) : 0;
    overdrawn_ = (std::max)(overdrawn_ - passed * bytes_per_ms_, -bytes_per_ms_ * budget_ms);
    latest_ms_ = time_ms;
    told_ = true;
  }

  void teach(const detail::visit_record* returned) noexcept
  {
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 7U;
    random_ ^= random_ << 17U;
    detail::visit_record drawn;
    const bool anybody = memory_.any(static_cast<std::uint32_t>(random_ >> 32U), drawn);
    const auto users = static_cast<float>(memory_.users());
    static_cast<void>(model_.learn(returned, anybody ? &drawn : nullptr, clock_.now(), users));
  }

  /// A lifetime of the model is as many requests as the tier has objects, as large as they come.
  void follow_objects() noexcept
  {
    const double objects = (std::min)(tier_bytes_ / (std::max)(mean_bytes_, 1.0), most_objects_);
    if (objects > 1.25 * unit_ || (objects < 0.8 * unit_ && unit_ > least_unit)) set_unit(objects);
  }
  void set_unit(double requests) noexcept
  {
    unit_ = (std::min)((std::max)(requests, least_unit), most_unit);
    model_.set_unit(static_cast<std::uint32_t>(unit_));
  }

  [[nodiscard]] double saved_beside_others(const object_info& candidate) noexcept
  {
    const double saved = candidate.loss_seconds() / static_cast<double>((std::max)(candidate.bytes, std::uint64_t{1}));
    if (!(saved > 0) || !std::isfinite(saved)) return 1;
    savings_ = (std::min)(savings_ + 1, 1024.0);
    mean_saving_ += (saved - mean_saving_) / savings_;
    return saved / mean_saving_;
  }

  /// Requests for which the tier will hold what is written now.
  [[nodiscard]] double held_requests() noexcept
  {
    const double now = clock_.now().request;
    double most = longest * unit_;
    if (clock_.runs()) most = (std::min)(most, (std::max)(longest_slots * clock_.requests_a_slot(), unit_));
    if (filled_ < tier_bytes_) {
      filled_ += written_;
      rate_ = filled_ / (std::max)(now, 1.0);
    } else {
      const double window = (std::max)(tier_bytes_ / rate_ / 4, 1024.0);
      rate_ += written_ / window - rate_ * (std::min)(1.0, (now - accounted_) / window);
      rate_ = (std::max)(rate_, tier_bytes_ / most);
    }
    written_ = 0;
    accounted_ = now;
    return filled_ < tier_bytes_ ? most : (std::min)(most, tier_bytes_ / rate_);
  }

  static constexpr double least_unit = 16;
  static constexpr double most_unit = 1U << 26U;

  double tier_bytes_;
  double most_objects_;
  double least_price_;
  double bytes_per_ms_;
  double unit_ = least_unit;
  double weight_ = 0;  // of the means of offers
  double mean_bytes_ = 0;
  double stay_ = 0;         // requests between a user's last and their being offered
  double visit_share_ = 1;  // of the requests: the model's rates are those of one visit among visits
  double savings_ = 0;
  double mean_saving_ = 0;
  double filled_ = 0;     // bytes, until they are the tier's
  double rate_ = 0;       // bytes a request
  double written_ = 0;    // bytes that rate_ does not know of
  double accounted_ = 0;  // the request up to which it does
  double overdrawn_ = 0;  // bytes beyond the budget; below 0: not used up
  std::int64_t latest_ms_ = 0;
  bool told_ = false;
  std::uint64_t random_ = 88172645463325252U;
  detail::return_model model_;
  detail::visit_memory memory_;
  detail::visit_clock clock_;
};

using worth_writing = basic_worth_writing<>;

static_assert(admission_policy<worth_writing>);

}  // namespace kvstrata
