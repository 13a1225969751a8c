// How much a trace touches: how many objects, how many bytes. Sizes of caches are often told as shares of it.
//
// The distinct keys are held, exactly, as long as there are no more than a limit; beyond it only those whose hash falls
// below a bound that halves whenever they are too many again. (Flajolet, "On adaptive sampling", Computing 1990.) So memory
// is bounded, and the error is 1.2 / sqrt(limit): 0.12 % with the default.
#pragma once

#include <kvstrata/core/sizes.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace kvstrata {

struct footprint
{
  std::uint64_t requests = 0;
  std::uint64_t objects = 0;          ///< distinct keys
  std::uint64_t bytes = 0;            ///< of all objects, each at its largest
  std::uint64_t requested_bytes = 0;  ///< of all requests
  std::uint64_t smallest_bytes = 1;   ///< size of the smallest object, at least 1
  std::uint64_t span_ms = 0;          ///< from the earliest time to the latest
  bool exact = true;                  ///< whether objects and bytes are counted or estimated
  bool is_sized = false;              ///< whether the trace says sizes: one differs from 1
  bool is_timed = false;              ///< whether the trace says times: one differs from 0
  bool tells_future = true;           ///< whether the trace says every next request
};

/// O(1) a request; about 20 bytes for each key held, 37 MB with the default limit.
class footprint_counter
{
 public:
  explicit footprint_counter(std::size_t most_keys = std::size_t{1} << 20)
      : most_keys_((std::max)(most_keys, std::size_t{1}))
  {
  }

  void add(const trace_access& one)
  {
    ++seen_.requests;
    seen_.requested_bytes = saturated_sum(seen_.requested_bytes, one.bytes);
    seen_.is_sized |= one.bytes != 1;
    seen_.is_timed |= one.time_ms != 0;
    seen_.tells_future &= one.next_request != reuse_hint::unknown;
    first_ms_ = seen_.requests == 1 ? one.time_ms : (std::min)(first_ms_, one.time_ms);
    last_ms_ = seen_.requests == 1 ? one.time_ms : (std::max)(last_ms_, one.time_ms);
    smallest_ = (std::min)(smallest_, one.bytes);
    if (scatter_bits(one.key) > bound_) return;
    std::uint64_t& largest = sizes_[one.key];
    largest = (std::max)(largest, one.bytes);
    while (sizes_.size() > most_keys_) {
      bound_ /= 2;
      boost::unordered::erase_if(sizes_, [this](const auto& held) { return scatter_bits(held.first) > bound_; });
    }
  }

  /// O(keys held).
  [[nodiscard]] footprint result() const
  {
    constexpr std::uint64_t everything = (std::numeric_limits<std::uint64_t>::max)();
    footprint out = seen_;
    out.exact = bound_ == everything;
    out.span_ms = static_cast<std::uint64_t>(last_ms_) - static_cast<std::uint64_t>(first_ms_);
    out.smallest_bytes = out.requests == 0 ? 1 : (std::max)(std::uint64_t{1}, smallest_);
    std::uint64_t bytes = 0;
    for (const auto& held : sizes_) bytes = saturated_sum(bytes, held.second);
    const auto whole = [this, &out](std::uint64_t held) {
      if (out.exact) return held;
      return held == 0 ? 0 : scaled_size(held, 0x1p64 / static_cast<double>(bound_));
    };
    out.objects = whole(sizes_.size());
    out.bytes = whole(bytes);
    return out;
  }

 private:
  std::size_t most_keys_;
  std::uint64_t bound_ = (std::numeric_limits<std::uint64_t>::max)();
  std::uint64_t smallest_ = (std::numeric_limits<std::uint64_t>::max)();
  std::int64_t first_ms_ = 0;
  std::int64_t last_ms_ = 0;
  footprint seen_;
  boost::unordered_flat_map<std::uint64_t, std::uint64_t> sizes_;
};

/// Reads the rest of the source. `progress(requests read so far)` is called now and then. Throws what the source throws.
template <access_source Source, class Progress>
[[nodiscard]] footprint measure_footprint(Source& source, Progress&& progress)
{
  footprint_counter counter;
  std::vector<trace_access> buffer(16384);
  std::uint64_t requests = 0;
  for (std::size_t got = source.read(std::span(buffer)); got != 0; got = source.read(std::span(buffer))) {
    for (const trace_access& one : std::span(buffer).first(got)) counter.add(one);
    requests += got;
    progress(requests);
  }
  return counter.result();
}
template <access_source Source>
[[nodiscard]] footprint measure_footprint(Source& source)
{
  return measure_footprint(source, [](std::uint64_t) {});
}

}  // namespace kvstrata
