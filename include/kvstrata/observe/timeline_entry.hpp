// What a timeline keeps of an event: a slice or a mark of one row, and how several marks become one.
#pragma once

#include <kvstrata/core/levels.hpp>
#include <kvstrata/observe/trace_event_writer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::detail {

/// What becomes of an argument where several events become one.
enum class fold : std::uint8_t { sum, least, most };

struct folded_argument
{
  trace_argument what;
  fold how = fold::sum;
};

enum class timeline_shape : std::uint8_t { slice, stall, mark };

struct timeline_entry
{
  double begin = 0;  ///< seconds
  double end = 0;
  std::uint32_t row = 0;
  std::uint32_t stream = 0;  ///< of a span
  std::uint64_t point = 0;   ///< of a span, on its stream; 0: not known
  timeline_shape shape = timeline_shape::slice;
  std::uint8_t argument_count = 0;
  std::uint64_t count = 0;  ///< events that it stands for; 0: not said
  std::array<folded_argument, 7> arguments{};
  std::string category;
  std::string name;

  /// Takes in another event of the same kind, which has the same arguments.
  void take_in(std::span<const folded_argument> all) noexcept
  {
    ++count;
    for (std::size_t i = 0; i < argument_count; ++i) {
      std::uint64_t& mine = arguments[i].what.value;
      const std::uint64_t other = all[i].what.value;
      switch (arguments[i].how) {
        case fold::sum: mine += other; break;
        case fold::least: mine = (std::min)(mine, other); break;
        case fold::most: mine = (std::max)(mine, other); break;
      }
    }
  }
};

/// The marks of a cache's row. Each is in the picture once a call, and once a moment.
enum class timeline_mark : std::uint8_t {
  batch,
  evicted,  ///< from level 0; as many follow as there are levels
  forgotten = evicted + most_levels,
  pressure,
  write_refused,
  write_delayed,
  write_dropped,
  cleaned,
  prefetch_queued,
  prefetch_undone,
  epoch,
};
inline constexpr std::size_t timeline_marks = static_cast<std::size_t>(timeline_mark::epoch) + 1;

[[nodiscard]] constexpr timeline_mark eviction_mark(level_index level) noexcept
{
  return static_cast<timeline_mark>(static_cast<level_index>(timeline_mark::evicted) + level);
}
[[nodiscard]] constexpr bool is_eviction(timeline_mark m) noexcept
{
  return m >= timeline_mark::evicted && m < timeline_mark::forgotten;
}

[[nodiscard]] constexpr std::string_view name_of(timeline_mark m) noexcept
{
  constexpr by_level<std::string_view> evicted{"evicted from level 0", "evicted from level 1", "evicted from level 2",
                                               "evicted from level 3", "evicted from level 4", "evicted from level 5",
                                               "evicted from level 6", "evicted from level 7"};
  if (is_eviction(m)) return evicted[static_cast<level_index>(m) - static_cast<level_index>(timeline_mark::evicted)];
  switch (m) {
    case timeline_mark::batch: return "batch";
    case timeline_mark::evicted: break;
    case timeline_mark::forgotten: return "forgotten";
    case timeline_mark::pressure: return "pressure";
    case timeline_mark::write_refused: return "write refused";
    case timeline_mark::write_delayed: return "write delayed";
    case timeline_mark::write_dropped: return "write dropped";
    case timeline_mark::cleaned: return "cleaned";
    case timeline_mark::prefetch_queued: return "prefetch queued";
    case timeline_mark::prefetch_undone: return "prefetch undone";
    case timeline_mark::epoch: return "epoch";
  }
  return "unknown";
}
[[nodiscard]] constexpr std::string_view category_of(timeline_mark m) noexcept
{
  if (is_eviction(m)) return "eviction";
  switch (m) {
    case timeline_mark::batch: return "batch";
    case timeline_mark::evicted: break;
    case timeline_mark::forgotten: return "forgotten";
    case timeline_mark::pressure: return "pressure";
    case timeline_mark::write_refused:
    case timeline_mark::write_delayed:
    case timeline_mark::write_dropped:
    case timeline_mark::cleaned: return "write";
    case timeline_mark::prefetch_queued:
    case timeline_mark::prefetch_undone: return "prefetch";
    case timeline_mark::epoch: return "epoch";
  }
  return "unknown";
}

}  // namespace kvstrata::detail
