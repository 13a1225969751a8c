// Finds accesses that nothing orders, whatever order they happened to run in.
#pragma once

#include <kvstrata/device/emulated/access_map.hpp>
#include <kvstrata/device/emulated/ordering_violation.hpp>
#include <kvstrata/device/emulated/vector_clock.hpp>
#include <kvstrata/device/host_io.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

using kvstrata::byte_range;

/// Happens-before by vector clocks, conflicts by the last accesses to each range (FastTrack: Flanagan, Freund, PLDI
/// 2009). It is told of work when the work is queued:
///   - operations of one stream are ordered as they were queued;
///   - a wait puts what lies before the event before all that is queued on the stream afterwards;
///   - once the host has learned that an event is complete, what lies before it is before all that the host does or
///     queues afterwards; and what the host did is before all that it queues afterwards;
///   - the I/O that a point of a host stream stands for is behind its `ready` and what the host knows when it promises, and
///     before its point and all later ones of that stream. It is not behind earlier points: I/Os run side by side.
/// The host counts as one thread. Memory stays bounded: settled accesses are swept out, and past `most_ranges` all
/// are forgotten, which can hide a violation but never invents one. So they are where memory runs out (lapses() counts
/// that): what was to be learned then only tells of the past, and nobody can clash with the past any more. Not safe to
/// use from several threads.
class ordering_checker
{
 public:
  explicit ordering_checker(std::size_t most_ranges = std::size_t{1} << 20)
      : most_ranges_(most_ranges), first_sweep_(most_ranges / 16), sweep_at_(first_sweep_)
  {
  }

  /// Streams are numbered 0, 1, ... in the order of these calls. When this throws, nothing has changed.
  void add_stream(std::string_view name) { streams_.push_back({std::string(name), {}, {}, 0}); }
  /// Takes the last one back, which nothing was queued on.
  void remove_last_stream() noexcept { streams_.pop_back(); }

  /// When this throws, nothing has changed.
  void add_region(const std::byte* data, std::size_t bytes, std::string_view name)
  {
    region fresh{bytes, std::string(name)};
    regions_[number_of(data)] = std::move(fresh);
  }

  /// A number to name operations by: to be asked for before one is queued, which may be over at once. Numbers and labels
  /// stay.
  [[nodiscard]] std::uint32_t label_number(std::string_view label) noexcept
  {
    constexpr std::size_t most_labels = 4096;
    const std::size_t known = labels_.size();
    try {
      const auto found = label_numbers_.find(std::string(label));
      if (found != label_numbers_.end()) return found->second;
      if (known == most_labels) return 0;
      labels_.emplace_back(label);
      label_numbers_.emplace(label, static_cast<std::uint32_t>(known));
      return static_cast<std::uint32_t>(known);
    } catch (...) {
      labels_.resize(known);
      return 0;
    }
  }

  /// The operation at the place `me` reads and writes these bytes.
  void operation(event me, std::uint32_t label, std::span<const byte_range> reads,
                 std::span<const byte_range> writes) noexcept
  {
    note([&] {
      const vector_clock& now = advance(me);
      touch({me, label}, knows{now}, reads, writes);
    });
  }
  void operation(event me, std::string_view label, std::span<const byte_range> reads,
                 std::span<const byte_range> writes) noexcept
  {
    operation(me, label_number(label), reads, writes);
  }

  /// The I/O of the point `me` of a host stream reads and writes these bytes when `ready` has come to pass.
  void promise(event me, std::uint32_t label, const fence& ready, std::span<const byte_range> reads,
               std::span<const byte_range> writes) noexcept
  {
    note([&] {
      vector_clock before = host_;
      for (const event point : ready) learn(before, point);
      touch({me, label}, [&](event other) { return other == me || before.knows(other); }, reads, writes);
      state& s = streams_[static_cast<std::size_t>(me.stream)];
      s.clock.join(before);
      s.clock.raise(me.stream, me.sequence);
      s.history.change(me.sequence, s.clock);
    });
  }

  /// The wait at the place `me` puts `awaited` before all that follows on the stream.
  void wait(event me, event awaited) noexcept
  {
    note([&] {
      advance(me);
      state& s = streams_[static_cast<std::size_t>(me.stream)];
      if (learn(s.clock, awaited)) s.history.change(me.sequence, s.clock);
    });
  }

  /// The host has learned that `point` has come to pass.
  void host_learns(event point) noexcept
  {
    note([&] {
      if (point.sequence == 0 || !learn(host_, point)) return;
      ++host_version_;
      // Whatever is queued from now on knows all this already.
      for (std::size_t i = 0; i < streams_.size(); ++i) {
        streams_[i].history.forget_known(static_cast<stream_id>(i), host_);
      }
    });
  }

  void host_reads(const std::byte* data, std::size_t bytes, std::string_view label) noexcept
  {
    const access mine{{}, label_number(label)};
    note([&] { accesses_.look(number_of(data), number_of(data) + bytes, knows{host_}, reporter{*this, mine, false}); });
  }
  void host_writes(const std::byte* data, std::size_t bytes, std::string_view label) noexcept
  {
    const access mine{{}, label_number(label)};
    note([&] {
      accesses_.write(number_of(data), number_of(data) + bytes, {}, knows{host_}, reporter{*this, mine, true});
    });
  }
  /// Freeing is a write by the host: everything that uses the region must be known to be over.
  void remove_region(const std::byte* data) noexcept
  {
    const auto found = regions_.find(number_of(data));
    if (found == regions_.end()) return;
    host_writes(data, found->second.bytes, "free");
    regions_.erase(found);
  }

  /// The first `most_violations`, in the order of being found.
  [[nodiscard]] const std::vector<ordering_violation>& violations() const noexcept { return violations_; }
  /// How often memory ran out, and all accesses by then were forgotten: violations may be missing.
  [[nodiscard]] std::uint64_t lapses() const noexcept { return lapses_; }
  /// Ranges and clock changes stored.
  [[nodiscard]] std::size_t stored() const noexcept
  {
    std::size_t sum = accesses_.size();
    for (const state& s : streams_) sum += s.history.size();
    return sum;
  }

  static constexpr std::size_t most_violations = 256;

 private:
  struct state
  {
    std::string name;
    vector_clock clock;
    clock_history history;
    std::uint64_t host_version;  // of the host's clock that has been joined into this one
  };
  struct region
  {
    std::size_t bytes;
    std::string name;
  };

  /// What the access map asks and tells while `second` touches memory.
  struct knows
  {
    bool operator()(event other) const { return clock.knows(other); }
    const vector_clock& clock;
  };
  struct reporter
  {
    void operator()(const access& first, bool wrote, access_map::address begin, access_map::address end) const
    {
      checker.report(first, wrote, second, writes, begin, end);
    }
    ordering_checker& checker;
    access second;
    bool writes;
  };

  static access_map::address number_of(const std::byte* data) noexcept
  {
    return reinterpret_cast<access_map::address>(data);
  }

  /// What is said by what(), or nothing of what was ever said.
  template <class What>
  void note(What&& what) noexcept
  {
    try {
      what();
    } catch (...) {
      accesses_.clear();
      ++lapses_;
    }
  }

  /// Somebody touches memory, behind what `ordered(event)` holds for.
  template <class Ordered>
  void touch(const access& mine, Ordered&& ordered, std::span<const byte_range> reads,
             std::span<const byte_range> writes)
  {
    for (const byte_range r : reads) {
      if (r.size == 0) continue;
      accesses_.read(number_of(r.data), number_of(r.data) + r.size, mine, ordered, reporter{*this, mine, false});
    }
    for (const byte_range r : writes) {
      if (r.size == 0) continue;
      accesses_.write(number_of(r.data), number_of(r.data) + r.size, mine, ordered, reporter{*this, mine, true});
    }
    if (accesses_.size() > sweep_at_) sweep();
  }

  /// Takes the stream to a new place: it now knows what the host knows.
  const vector_clock& advance(event me)
  {
    state& s = streams_[static_cast<std::size_t>(me.stream)];
    if (s.host_version != host_version_) {
      s.host_version = host_version_;
      s.clock.join(host_);  // no change worth storing: whoever looks this place up knows what the host knew
    }
    s.clock.raise(me.stream, me.sequence);
    return s.clock;
  }

  /// Joins the clock behind a point, unless that is known: then so is all that lies before it.
  bool learn(vector_clock& clock, event point)
  {
    if (clock.knows(point)) return false;
    clock.join(streams_[static_cast<std::size_t>(point.stream)].history.at(point.stream, point.sequence));
    return true;
  }

  void report(const access& first, bool wrote, const access& second, bool writes, access_map::address begin,
              access_map::address end)
  {
    ordering_violation found{tell(first, wrote), tell(second, writes), {}, begin, end};
    auto place = regions_.upper_bound(begin);
    if (place != regions_.begin() && begin - (--place)->first < place->second.bytes) {
      found.region = place->second.name;
      found.begin -= place->first;
      found.end -= place->first;
    }
    for (auto it = violations_.rbegin(); it != violations_.rend() && it->second == found.second; ++it) {
      if (it->first == found.first && it->region == found.region && it->end == found.begin) {
        it->end = found.end;  // one clash over several ranges
        return;
      }
    }
    if (violations_.size() < most_violations) violations_.push_back(std::move(found));
  }

  [[nodiscard]] ordering_violation::access tell(const access& a, bool writes) const
  {
    const bool host = a.where.sequence == 0;
    return {labels_[a.label], host ? "host" : streams_[static_cast<std::size_t>(a.where.stream)].name, a.where.sequence,
            writes};
  }

  void sweep()
  {
    accesses_.sweep(knows{host_});
    if (accesses_.size() > most_ranges_) accesses_.clear();
    sweep_at_ = accesses_.size() * 2 > first_sweep_ ? accesses_.size() * 2 : first_sweep_;
    if (sweep_at_ > most_ranges_) sweep_at_ = most_ranges_;
  }

  std::size_t most_ranges_;
  std::size_t first_sweep_;
  std::size_t sweep_at_;  // ranges at which to look for settled ones
  std::vector<state> streams_;
  vector_clock host_;
  std::uint64_t host_version_ = 0;
  access_map accesses_;
  std::map<access_map::address, region> regions_;
  std::vector<std::string> labels_{"(an operation; there are too many labels to keep)"};
  std::unordered_map<std::string, std::uint32_t> label_numbers_;
  std::vector<ordering_violation> violations_;
  std::uint64_t lapses_ = 0;
};

}  // namespace kvstrata::emulated
