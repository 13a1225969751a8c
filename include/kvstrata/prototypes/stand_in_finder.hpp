// Which prototypes stand in for a text's tokens, looked up once a text: a lookup reads a bucket of prototypes for every token, and a text
// is used again and again.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table_view.hpp>
#include <kvstrata/prototypes/prototype_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What it knows is of one version of the pool: where that has changed, nothing is known any more. Not synchronised: one a thread; any
/// number of these may use one pool, which must outlive them.
class stand_in_finder
{
 public:
  static constexpr std::uint32_t none = (std::numeric_limits<std::uint32_t>::max)();

  /// Remembers texts of `most_tokens` tokens at most, the longest unused half of them forgotten at a time; 0: none.
  explicit stand_in_finder(const prototype_pool& pool, std::size_t most_tokens = std::size_t{1} << 20)
      : pool_(&pool), most_(most_tokens), version_(pool.version())
  {
  }

  [[nodiscard]] const prototype_pool& pool() const noexcept { return *pool_; }

  /// The prototype of each token of a text, or none. `text`: bytes that say which text it is, all of them, as its words are;
  /// features_of(), where the text is not known, its tokens' features, [tokens][dimensions]. Valid until the next call. Throws
  /// usage_error for features that are not of so many tokens, and then knows no more than before.
  template <class FeaturesOf>
  [[nodiscard]] std::span<const std::uint32_t> find(std::span<const std::byte> text, token_count tokens,
                                                    FeaturesOf&& features_of)
  {
    if (version_ != pool_->version()) {
      version_ = pool_->version();
      recent_ = {};
      older_ = {};
    }
    const std::string_view name(reinterpret_cast<const char*>(text.data()), text.size());
    if (const auto known = recent_.texts.find(name); known != recent_.texts.end()) return known->second;
    if (const auto known = older_.texts.find(name); known != older_.texts.end()) {
      older_.tokens -= known->second.size();
      return remember(older_.texts.extract(known));
    }
    numbers_.clear();
    look_up(features_of(), tokens);
    ++lookups_;
    if (tokens > most_ / 2) return numbers_;
    table alone;
    alone.emplace(name, numbers_);
    return remember(alone.extract(alone.begin()));
  }

  /// The tokens without a prototype, which must be computed wherever the text is used, are appended to `to`, as tokens that stand
  /// from `start` on.
  static void lacking(std::span<const std::uint32_t> numbers, token_count start, std::vector<token_interval>& to)
  {
    for (const std::uint32_t number : numbers) {
      if (number == none) {
        if (!to.empty() && to.back().end == start) ++to.back().end;
        else to.push_back({start, start + 1});
      }
      ++start;
    }
  }

  /// K and V of a layer go to the tokens of pages that the host can address, from token 0 on; zeros where there is no prototype.
  void fill(std::span<const std::uint32_t> numbers, layer_index layer, const page_table_view& to,
            std::size_t request) const noexcept
  {
    token_count token = 0;
    for (const std::uint32_t number : numbers) {
      if (number != none) {
        pool_->copy(number, layer, to, request, token++);
        continue;
      }
      std::byte* const key = to.key(layer, request, token++);
      std::memset(key, 0, to.shape.key_bytes());
      std::memset(key + to.value_offset(), 0, to.shape.key_bytes());
    }
  }

  /// Texts that were not known.
  [[nodiscard]] std::uint64_t lookups() const noexcept { return lookups_; }
  /// Of texts that are.
  [[nodiscard]] std::size_t remembered_tokens() const noexcept { return recent_.tokens + older_.tokens; }

 private:
  struct text_hash
  {
    using is_transparent = void;
    [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept
    {
      return std::hash<std::string_view>()(text);
    }
  };
  using table = std::unordered_map<std::string, std::vector<std::uint32_t>, text_hash, std::equal_to<>>;
  struct generation
  {
    table texts{};
    std::size_t tokens = 0;
  };

  [[nodiscard]] std::span<const std::uint32_t> remember(table::node_type text)
  {
    const std::size_t tokens = text.mapped().size();
    if (recent_.tokens + tokens > most_ / 2) {
      older_ = std::move(recent_);
      recent_ = {};
    }
    recent_.tokens += tokens;
    return recent_.texts.insert(std::move(text)).position->second;
  }

  void look_up(std::span<const float> features, token_count tokens)
  {
    const std::size_t dimensions = pool_->index().options().dimensions;
    if (features.size() != tokens * dimensions) {
      throw usage_error("a text of " + std::to_string(tokens) + " tokens has features of " +
                        std::to_string(features.size()) + " numbers, but prototypes have " +
                        std::to_string(dimensions) + " dimensions");
    }
    for (std::size_t t = 0; t < tokens; ++t) {
      const auto nearest = pool_->index().nearest(features.subspan(t * dimensions, dimensions));
      numbers_.push_back(nearest ? nearest->number : none);
    }
  }

  const prototype_pool* pool_;
  std::size_t most_;
  std::uint64_t version_, lookups_ = 0;
  generation recent_, older_;
  std::vector<std::uint32_t> numbers_;  // of the last lookup
};

}  // namespace kvstrata
