// A sampled cache with two neighbours, which tell how much its miss ratio depends on who happens to be in the sample.
#pragma once

#include <kvstrata/core/sizes.hpp>
#include <kvstrata/simulate/sampling.hpp>
#include <kvstrata/simulate/sweep_instance.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of the D objects that come between two uses of an object a sample sees D R, give or take sqrt(D R (1 - R)): a cache of
/// C objects is as crowded as one of C (1 +- d) objects, d = sqrt((1 - R) / (C R)), would be in the whole. So a cache of
/// that size on either side is run, too, and half their difference is the error that crowding makes. It is added to
/// that of the choice of keys, not its square: a sample of busy keys errs both ways at once. On two real traces, at rates
/// 0.1 and 0.3, LRU and SIEVE erred by 1.0 to 1.2 times what error() says as a root mean square, at most by 3.5 times
/// (tests/simulate/sweep_test.cpp).
class sampled_instance final : public sweep_instance
{
 public:
  /// `make(tier_size)` makes an instance; `whole` is the size to be simulated, and about `objects` fit into that.
  template <class Make>
    requires std::constructible_from<std::unique_ptr<sweep_instance>, std::invoke_result_t<Make&, const tier_size&>>
  sampled_instance(const tier_size& whole, double objects, const spatial_sample& sample, Make&& make)
  {
    const double rate = sample.rate();
    const double spread = (std::min)(0.9, std::sqrt((1 - rate) / (std::max)(1.0, objects * rate)));
    const tier_size size = sample.scaled(whole);
    const auto around = [&size](double factor) {
      return tier_size{.bytes = scaled_size(size.bytes, factor), .objects = scaled_size(size.objects, factor)};
    };
    itself_ = make(size);
    smaller_ = make(around(1 - spread));
    larger_ = make(around(1 + spread));
  }

  void run(const sweep_chunk& chunk) override
  {
    itself_->run(chunk);
    smaller_->run(chunk);
    larger_->run(chunk);
    copy_counts(*itself_);
  }
  [[nodiscard]] double error(double rate, std::uint64_t requests) const noexcept override
  {
    if (requests == 0) return 0;
    const double apart =
        static_cast<double>(smaller_->misses().requests) - static_cast<double>(larger_->misses().requests);
    return sweep_instance::error(rate, requests) + std::abs(apart) / 2 / rate / static_cast<double>(requests);
  }
  [[nodiscard]] std::size_t metadata_bytes() const noexcept override { return itself_->metadata_bytes(); }
  [[nodiscard]] std::size_t objects() const noexcept override { return itself_->objects(); }

 private:
  std::unique_ptr<sweep_instance> itself_;
  std::unique_ptr<sweep_instance> smaller_;
  std::unique_ptr<sweep_instance> larger_;
};

}  // namespace kvstrata
