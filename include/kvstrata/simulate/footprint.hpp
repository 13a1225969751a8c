// How much a trace touches: how many objects, how many bytes. Sizes of caches are often told as shares of it. And whether
// what it says of itself can be: times in order, sizes that stay, next requests that come.
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
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
  bool tells_future = true;      ///< whether the trace says every next request, and none that was looked at wrongly
  std::int64_t first_ms = 0;     ///< the earliest time
  std::int64_t last_ms = 0;      ///< the latest
  std::uint64_t backward = 0;    ///< requests that lie before the one in front of them
  std::uint64_t stray = 0;       ///< requests whose times lie eight times as far from 0 as all others, or an eighth
  std::uint64_t resized = 0;     ///< requests that tell another size than the one of their object before
  std::uint64_t wrong_next = 0;  ///< the first request, from 1, that was told to come at another place; 0: none
};

/// O(1) a request; about 40 bytes for each key held, 75 MB with the default limit. Sizes and next requests are compared for
/// the keys that are held.
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
    note_time(one.time_ms);
    smallest_ = (std::min)(smallest_, one.bytes);
    if (scatter_bits(one.key) > bound_) return;
    const auto [found, is_new] = held_.try_emplace(one.key, held{one.bytes, one.bytes, one.next_request});
    if (!is_new) {
      held& before = found->second;
      seen_.resized += before.bytes != one.bytes ? 1U : 0U;
      before.largest = (std::max)(before.largest, one.bytes);
      before.bytes = one.bytes;
      const bool is_right = before.next == seen_.requests - 1 || before.next == reuse_hint::unknown;
      if (!is_right && seen_.wrong_next == 0) seen_.wrong_next = seen_.requests;
      before.next = one.next_request;
    }
    while (held_.size() > most_keys_) {
      bound_ /= 2;
      boost::unordered::erase_if(held_, [this](const auto& key) { return scatter_bits(key.first) > bound_; });
    }
  }

  /// O(keys held).
  [[nodiscard]] footprint result() const
  {
    constexpr std::uint64_t everything = (std::numeric_limits<std::uint64_t>::max)();
    footprint out = seen_;
    out.exact = bound_ == everything;
    out.span_ms = static_cast<std::uint64_t>(out.last_ms) - static_cast<std::uint64_t>(out.first_ms);
    out.smallest_bytes = out.requests == 0 ? 1 : (std::max)(std::uint64_t{1}, smallest_);
    std::uint64_t bytes = 0;
    for (const auto& [key, object] : held_) {
      bytes = saturated_sum(bytes, object.largest);
      const bool is_missed = object.next < out.requests;  // it was said to come, and never did
      if (is_missed && (out.wrong_next == 0 || out.wrong_next > object.next + 1)) out.wrong_next = object.next + 1;
    }
    out.tells_future &= out.wrong_next == 0;
    const auto whole = [this, &out](std::uint64_t counted) {
      if (out.exact) return counted;
      return counted == 0 ? 0 : scaled_size(counted, 0x1p64 / static_cast<double>(bound_));
    };
    out.objects = whole(held_.size());
    out.bytes = whole(bytes);
    out.resized = (std::min)(whole(out.resized), out.requests);
    out.stray = strays();
    return out;
  }

 private:
  struct held
  {
    std::uint64_t largest = 0;
    std::uint64_t bytes = 0;  // as it was told last
    std::uint64_t next = 0;   // where it should come again
  };
  static constexpr std::size_t apart = 3;  // so many powers of two

  void note_time(std::int64_t time_ms)
  {
    const bool is_first = seen_.requests == 1;
    seen_.first_ms = is_first ? time_ms : (std::min)(seen_.first_ms, time_ms);
    seen_.last_ms = is_first ? time_ms : (std::max)(seen_.last_ms, time_ms);
    seen_.backward += !is_first && time_ms < before_ms_ ? 1U : 0U;
    before_ms_ = time_ms;
    const auto size = 64U - static_cast<std::size_t>(std::countl_zero(static_cast<std::uint64_t>(time_ms)));
    ++of_size_[size];
    widest_ = (std::max)(widest_, size);
    if (size + apart < widest_) ++early_[size];
  }

  /// Times ascend in nearly all traces, from any beginning: what lies far above all others is a stray, and what lies far
  /// below once others have come, or at any place where the others are dates. Never more than one in a hundred.
  [[nodiscard]] std::uint64_t strays() const
  {
    const std::uint64_t most = seen_.requests / 100;
    std::uint64_t above = 0;
    for (std::size_t size = of_size_.size(); size-- > 0;) {
      if (above != 0 && size + apart < of_size_.size()) {
        bool is_gap = true;
        for (std::size_t k = 0; k < apart && k <= size; ++k) is_gap &= of_size_[size - k] == 0;
        if (is_gap && size >= apart) return above;
      }
      above += of_size_[size];
      if (above > most) break;
    }
    std::uint64_t below = 0;
    for (const std::uint64_t early : early_) below += early;
    constexpr std::size_t date_bits = 40;  // of milliseconds since 1970: from 1987 on
    std::uint64_t before_dates = 0;
    for (std::size_t size = 0; size + apart < date_bits; ++size) before_dates += of_size_[size];
    if (of_size_[date_bits] + of_size_[date_bits + 1] >= seen_.requests - most) below = (std::max)(below, before_dates);
    return below <= most ? below : 0;
  }

  std::size_t most_keys_;
  std::uint64_t bound_ = (std::numeric_limits<std::uint64_t>::max)();
  std::uint64_t smallest_ = (std::numeric_limits<std::uint64_t>::max)();
  std::int64_t before_ms_ = 0;
  std::size_t widest_ = 0;                   // of the times so far, in bits
  std::array<std::uint64_t, 65> of_size_{};  // requests by the bits of their time
  std::array<std::uint64_t, 65> early_{};    // of these, those far below an earlier one
  footprint seen_;
  boost::unordered_flat_map<std::uint64_t, held> held_;
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
