// Items of a catalogue, and users who ask for lists of them: what RcLLM's prompts are made of, drawn, since no public trace has
// candidate lists.
//
//   items        of 50 to 200 tokens, each in one topic (a city's restaurants, an author's readers): topics are equal in size
//   popularity   Zipf's, of topics, and of the items in each; which topic is how popular is a permutation by a seed, so that heat can move
//   a list       belongs to a topic; `own_share` of its items are of it, the others of topics drawn one by one; no item is twice in it
//   users        Zipf's, with a history of 200 to 600 tokens that grows by 16 a request up to `longest_history`
//   arrivals     independent of each other, at one rate
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct catalogue_config
{
  std::uint32_t items = 40'000;
  std::uint32_t topics = 1'000;
  double topic_exponent = 0.4;
  double item_exponent = 1;
  token_count shortest = 50;  ///< tokens of an item
  token_count longest = 200;
  std::uint32_t candidates = 16;  ///< items of a list
  double own_share = 0.9;
  std::uint32_t users = 1'000;
  double user_exponent = 0.8;
  token_count longest_history = 700;
  std::uint64_t seed = 1;
};

/// Throws config_error.
inline void check(const catalogue_config& c)
{
  const auto count = [](std::string_view field, std::uint64_t value, std::uint64_t most) {
    const std::string name = "catalogue_config." + std::string(field);
    if (value == 0) throw config_error(name, value, "it must be at least 1");
    if (value > most) throw config_error(name, value, "it may be at most " + std::to_string(most));
  };
  const auto within = [](std::string_view field, double value, double least, double most) {
    if (value >= least && value <= most) return;
    throw config_error("catalogue_config." + std::string(field), std::to_string(value),
                       "it must lie between " + std::to_string(least) + " and " + std::to_string(most));
  };
  count("items", c.items, 100'000'000);
  count("topics", c.topics, c.items);
  count("shortest", c.shortest, c.longest);
  count("longest", c.longest, 65'536);
  count("candidates", c.candidates, 4'096);
  if (c.candidates > c.items / 4) {
    throw config_error("catalogue_config.candidates", c.candidates,
                       "it may be at most a quarter of the " + std::to_string(c.items) + " items");
  }
  if (c.candidates > c.items / c.topics) {
    throw config_error("catalogue_config.candidates", c.candidates,
                       "a topic has only " + std::to_string(c.items / c.topics) + " items");
  }
  count("users", c.users, 100'000'000);
  count("longest_history", c.longest_history, 1'000'000);
  within("topic_exponent", c.topic_exponent, 0, 10);
  within("item_exponent", c.item_exponent, 0, 10);
  within("user_exponent", c.user_exponent, 0, 10);
  within("own_share", c.own_share, 0, 1);
}

namespace detail {

/// Ranks with Zipf's popularity. O(log ranks) a draw.
class zipf_ranks
{
 public:
  zipf_ranks(std::uint32_t ranks, double exponent) : until_(ranks)
  {
    double sum = 0;
    for (std::uint32_t k = 0; k < ranks; ++k) until_[k] = sum += std::pow(k + 1.0, -exponent);
  }
  [[nodiscard]] std::uint32_t draw(random_source& random) const noexcept
  {
    const auto at = std::upper_bound(until_.begin(), until_.end(), random.uniform() * until_.back());
    return static_cast<std::uint32_t>((std::min)(at - until_.begin(), static_cast<std::ptrdiff_t>(until_.size()) - 1));
  }

 private:
  std::vector<double> until_;
};

}  // namespace detail

/// The items, without their users. Reading is safe from several threads.
class catalogue
{
 public:
  static constexpr std::uint32_t item_space = 2;  ///< of items' keys

  /// Throws config_error.
  explicit catalogue(const catalogue_config& config) : config_((check(config), config)) {}

  [[nodiscard]] const catalogue_config& config() const noexcept { return config_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return config_.items; }
  [[nodiscard]] sequence_key key_of(std::uint32_t item) const noexcept { return {item_space, item}; }
  [[nodiscard]] token_count tokens_of(std::uint32_t item) const noexcept
  {
    const std::uint64_t bits = derive_seed(config_.seed + 17, item);
    return config_.shortest + static_cast<token_count>(bits % (config_.longest - config_.shortest + 1));
  }
  /// Items are dealt to topics, so that neighbours by number are of different ones.
  [[nodiscard]] std::uint32_t topic_of(std::uint32_t item) const noexcept { return item % config_.topics; }

 private:
  catalogue_config config_;
};

/// A user's request for a list.
struct list_request
{
  double seconds = 0;
  user_id user{};
  token_count history = 0;
  std::vector<std::uint32_t> items;
};

/// Endless. The same for the same catalogue and seeds. `heat_seed`: which topics are how popular.
class list_traffic
{
 public:
  /// Throws config_error for a rate that is not above 0. The catalogue must outlive it.
  list_traffic(const catalogue& of, double requests_per_second, std::uint64_t seed, std::uint64_t heat_seed = 0)
      : of_(&of),
        rate_(requests_per_second),
        random_(derive_seed(seed, 5)),
        topic_ranks_(of.config().topics, of.config().topic_exponent),
        item_ranks_(of.config().items / of.config().topics, of.config().item_exponent),
        user_ranks_(of.config().users, of.config().user_exponent),
        topics_(of.config().topics),
        visits_(of.config().users)
  {
    if (!(rate_ > 0) || !std::isfinite(rate_)) {
      throw config_error("requests_per_second", std::to_string(rate_), "it must be a finite number above 0");
    }
    heat(heat_seed);
  }

  /// From now on other topics are the popular ones.
  void heat(std::uint64_t heat_seed)
  {
    std::iota(topics_.begin(), topics_.end(), 0U);
    random_source random(derive_seed(of_->config().seed, 1000 + heat_seed));
    for (std::uint32_t k = static_cast<std::uint32_t>(topics_.size()); k > 1; --k) {
      std::swap(topics_[k - 1], topics_[random.below(k)]);
    }
  }

  /// Writes the next request over `out`.
  void next(list_request& out)
  {
    const catalogue_config& c = of_->config();
    seconds_ -= std::log(1 - random_.uniform()) / rate_;
    out.seconds = seconds_;
    const std::uint32_t user = user_ranks_.draw(random_);
    out.user = user_id{user};
    const std::uint64_t begins = 200 + derive_seed(c.seed + 29, user) % 401;
    const std::uint64_t grown = begins + 16 * std::uint64_t{visits_[user]++};
    out.history = static_cast<token_count>((std::min)(grown, std::uint64_t{c.longest_history}));
    out.items.clear();
    const std::uint32_t own = topics_[topic_ranks_.draw(random_)];
    const auto is_taken = [&out](std::uint32_t item) {
      return std::find(out.items.begin(), out.items.end(), item) != out.items.end();
    };
    while (out.items.size() < c.candidates) {
      const bool is_own = random_.uniform() < c.own_share;
      std::uint32_t topic = own;
      std::uint32_t item = 0;
      std::uint32_t drawn = 0;
      do {
        if (!is_own) topic = topics_[topic_ranks_.draw(random_)];
        item = topic + c.topics * item_ranks_.draw(random_);
      } while (is_taken(item) && ++drawn < most_draws);
      // Popularity that falls so steeply comes to the most popular that is left. A topic has as many as a list.
      for (std::uint32_t rank = 0; is_taken(item); ++rank) item = topic + c.topics * rank;
      out.items.push_back(item);
    }
  }

 private:
  static constexpr std::uint32_t most_draws = 1000;  // of an item that is not in the list yet

  const catalogue* of_;
  double rate_;
  random_source random_;
  detail::zipf_ranks topic_ranks_;
  detail::zipf_ranks item_ranks_;
  detail::zipf_ranks user_ranks_;
  std::vector<std::uint32_t> topics_;  // by rank
  std::vector<std::uint32_t> visits_;
  double seconds_ = 0;
};

}  // namespace kvstrata
