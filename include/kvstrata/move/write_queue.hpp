// Writes down that wait for their turn, and the bound on what is under way at once.
#pragma once

#include <kvstrata/books/entry.hpp>
#include <kvstrata/device/concepts.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Users keep their place until their write begins; those who go leave by themselves. Without a bound it asks nothing, and keeps
/// only who waits for raw frames (books/level_codes.hpp). Each lane of copies has the bound to itself, and who joined in a lane
/// holds up that lane alone: what waits for one compute stream's kernels keeps nobody else's writes. Not synchronised.
template <class Entry>
class write_queue
{
 public:
  explicit write_queue(std::uint64_t most_bytes) : most_(most_bytes) {}
  write_queue(const write_queue&) = delete;
  write_queue& operator=(const write_queue&) = delete;
  ~write_queue() = default;

  [[nodiscard]] bool empty() const noexcept
  {
    return std::all_of(lines_.begin(), lines_.end(), [](const auto& one) { return one->waiting.empty(); });
  }
  [[nodiscard]] bool is_bounded() const noexcept { return most_ != (std::numeric_limits<std::uint64_t>::max)(); }
  /// Does somebody wait who joined in that lane?
  [[nodiscard]] bool waits(std::size_t lane) const noexcept
  {
    return lane < lines_.size() && !lines_[lane]->waiting.empty();
  }
  /// O(those who wait).
  [[nodiscard]] std::uint64_t size() const noexcept
  {
    std::uint64_t all = 0;
    for (const auto& one : lines_) all += one->waiting.size();
    return all;
  }

  /// May a write begin that comes after `queued` bytes that are not under way yet? Never blocks.
  template <device Device>
  [[nodiscard]] bool may_begin(Device& d, std::uint64_t queued, std::size_t lane = 0)
  {
    if (!is_bounded()) return true;
    line& mine = line_of_lane(lane);
    while (!mine.under_way.empty() && d.query(mine.under_way.front().last)) {
      mine.bytes -= mine.under_way.front().bytes;
      mine.under_way.pop_front();
    }
    return mine.bytes + queued < most_;
  }

  /// `bytes` bytes are under way until `last`.
  void add(event last, std::uint64_t bytes, std::size_t lane = 0)
  {
    if (!is_bounded()) return;
    line& mine = line_of_lane(lane);
    mine.under_way.push_back({last, bytes});
    mine.bytes += bytes;
  }

  /// The user, who is hot, waits, behind those who do already; who waits already keeps their place.
  void join(Entry& e, std::size_t lane = 0)
  {
    if (!e.hot().write_place.is_linked()) line_of_lane(lane).waiting.push_back(e.hot());
  }

  /// Calls visit(entry) -> verdict for those who wait, lane by lane, the first first, until it says stop.
  enum class verdict : std::uint8_t {
    stays,
    leaves,
    next_lane,  ///< stays, as do those behind it in the lane
    stop,
  };
  template <class Visit>
  void walk(Visit&& visit)
  {
    for (std::size_t i = 0; i < lines_.size(); ++i) {  // a visit may ask of a further lane, so that there are more
      auto& waiting = lines_[i]->waiting;
      for (auto it = waiting.begin(); it != waiting.end();) {
        switch (visit(*it->who)) {
          case verdict::stays: ++it; break;
          case verdict::leaves: it = waiting.erase(it); break;
          case verdict::next_lane: it = waiting.end(); break;
          case verdict::stop: return;
        }
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
  /// Of a lane.
  struct line
  {
    line() = default;
    line(const line&) = delete;
    line& operator=(const line&) = delete;
    ~line() { waiting.clear(); }

    line_of<hot_record, &hot_record::write_place> waiting;
    std::deque<transfer> under_way;
    std::uint64_t bytes = 0;  // of it
  };

  [[nodiscard]] line& line_of_lane(std::size_t lane)
  {
    while (lines_.size() <= lane) lines_.push_back(std::make_unique<line>());
    return *lines_[lane];
  }

  std::uint64_t most_;
  std::vector<std::unique_ptr<line>> lines_;  // [lane]; they stay where they are
};

}  // namespace kvstrata
