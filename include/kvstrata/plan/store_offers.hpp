// What stores have on its way for the requests of a batch, and a provisional lease may count on before it has come.
#pragma once

#include <kvstrata/books/exactness.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>

#include <cstddef>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of one request.
struct store_offer
{
  level_index level = 0;                 ///< the store's; 0: nothing is offered
  token_interval tokens;                 ///< that are on their way; they share no page with what the slab has
  token_count inexact_from = all_exact;  ///< of them
};

/// Of a batch, for a stack of so many stores. Reused from batch to batch. Not synchronised.
template <level_index Stores>
class store_offers
{
 public:
  void clear() noexcept { all_.clear(); }
  void add(std::size_t request, const store_offer& offer)
  {
    if (all_.size() <= request) all_.resize(request + 1);
    all_[request] = offer;
  }

  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
  [[nodiscard]] store_offer of(std::size_t request) const noexcept
  {
    return request < all_.size() ? all_[request] : store_offer{};
  }
  /// How many are from that store.
  [[nodiscard]] std::size_t from(level_index level) const noexcept
  {
    std::size_t count = 0;
    for (const store_offer& one : all_) count += one.level == level ? 1U : 0U;
    return count;
  }

 private:
  std::vector<store_offer> all_;  // [request]
};

/// Where a stack has no store.
template <>
class store_offers<0>
{
 public:
  constexpr void clear() const noexcept {}
  [[nodiscard]] constexpr store_offer of(std::size_t) const noexcept { return {}; }
};

}  // namespace kvstrata
