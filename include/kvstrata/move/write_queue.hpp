// Writes down that wait for their turn, and the bound on what is under way at once.
#pragma once

#include <kvstrata/books/entry.hpp>
#include <kvstrata/device/concepts.hpp>

#include <cstdint>
#include <deque>
#include <limits>

namespace kvstrata {

/// Users keep their place until their write begins; those who go leave by themselves. Without a bound it keeps nothing and
/// asks nothing. Not synchronised.
template <class Entry>
class write_queue
{
 public:
  explicit write_queue(std::uint64_t most_bytes) : most_(most_bytes) {}
  write_queue(const write_queue&) = delete;
  write_queue& operator=(const write_queue&) = delete;
  ~write_queue() { waiting_.clear(); }

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  /// O(those who wait).
  [[nodiscard]] std::uint64_t size() const noexcept { return waiting_.size(); }

  /// May a write begin that comes after `queued` bytes that are not under way yet? Never blocks.
  template <device Device>
  [[nodiscard]] bool may_begin(Device& d, std::uint64_t queued)
  {
    if (!is_bounded()) return true;
    while (!under_way_.empty() && d.query(under_way_.front().last)) {
      bytes_ -= under_way_.front().bytes;
      under_way_.pop_front();
    }
    return bytes_ + queued < most_;
  }

  /// `bytes` bytes are under way until `last`.
  void add(event last, std::uint64_t bytes)
  {
    if (!is_bounded()) return;
    under_way_.push_back({last, bytes});
    bytes_ += bytes;
  }

  /// The user, who is hot, waits, behind those who do already; who waits already keeps their place.
  void join(Entry& e) noexcept
  {
    if (!e.hot().write_place.is_linked()) waiting_.push_back(e.hot());
  }

  /// Calls visit(entry) -> verdict for those who wait, the first first, until it says stop.
  enum class verdict : std::uint8_t { stays, leaves, stop };
  template <class Visit>
  void walk(Visit&& visit)
  {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      switch (visit(*it->who)) {
        case verdict::stays: ++it; break;
        case verdict::leaves: it = waiting_.erase(it); break;
        case verdict::stop: return;
      }
    }
  }

 private:
  using hot_record = typename Entry::hot_record;

  struct transfer
  {
    event last;
    std::uint64_t bytes = 0;
  };

  [[nodiscard]] bool is_bounded() const noexcept { return most_ != (std::numeric_limits<std::uint64_t>::max)(); }

  std::uint64_t most_;
  std::uint64_t bytes_ = 0;
  std::deque<transfer> under_way_;
  line_of<hot_record, &hot_record::write_place> waiting_;
};

}  // namespace kvstrata
