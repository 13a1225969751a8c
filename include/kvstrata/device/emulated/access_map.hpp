// Who touched which bytes last: the memory of the ordering checker.
#pragma once

#include <kvstrata/device/event.hpp>

#include <boost/container/small_vector.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// One operation that touched memory. Sequence 0 stands for nobody.
struct access
{
  event where;
  std::uint32_t label = 0;

  friend bool operator==(const access&, const access&) = default;
};

/// Disjoint address ranges, each with its last writer and the readers since that are not ordered before one another.
/// A range that is touched in part is split. O(log ranges + ranges touched) for every call but sweep.
class access_map
{
 public:
  using address = std::uintptr_t;

  /// `me` reads [begin, end). Calls `conflict(access, wrote, begin, end)` for each earlier access it must be ordered
  /// behind and is not, as `ordered(event)` tells.
  template <class Ordered, class Conflict>
  void read(address begin, address end, const access& me, Ordered&& ordered, Conflict&& conflict)
  {
    auto it = cut(begin);
    cut(end);
    address next = begin;
    while (next < end) {
      if (it == ranges_.end() || it->first > next) {  // nobody was here yet
        const address until = it == ranges_.end() || it->first > end ? end : it->first;
        it = ranges_.emplace_hint(it, next, range{until, {}, {}});
      }
      range& r = it->second;
      if (r.writer.where.sequence != 0 && !ordered(r.writer.where)) conflict(r.writer, true, it->first, r.end);
      // A reader that is ordered before this one need not be kept: who comes behind this one comes behind both.
      for (auto reader = r.readers.begin(); reader != r.readers.end();) {
        if (ordered(reader->where)) reader = r.readers.erase(reader);
        else ++reader;
      }
      r.readers.push_back(me);
      next = r.end;
      ++it;
    }
  }

  /// `me` writes [begin, end); all before it is forgotten there. A writer without a sequence leaves nothing behind.
  template <class Ordered, class Conflict>
  void write(address begin, address end, const access& me, Ordered&& ordered, Conflict&& conflict)
  {
    auto it = cut(begin);
    const auto last = cut(end);
    while (it != last) {
      const range& r = it->second;
      if (r.writer.where.sequence != 0 && !ordered(r.writer.where)) conflict(r.writer, true, it->first, r.end);
      for (const access& reader : r.readers) {
        if (!ordered(reader.where)) conflict(reader, false, it->first, r.end);
      }
      it = ranges_.erase(it);
    }
    if (me.where.sequence != 0) ranges_.emplace_hint(last, begin, range{end, me, {}});
  }

  /// As write, by somebody who only looks: nothing is changed.
  template <class Ordered, class Conflict>
  void look(address begin, address end, Ordered&& ordered, Conflict&& conflict)
  {
    const auto last = cut(end);
    for (auto it = cut(begin); it != last; ++it) {
      const range& r = it->second;
      if (r.writer.where.sequence != 0 && !ordered(r.writer.where)) conflict(r.writer, true, it->first, r.end);
    }
  }

  /// Drops accesses that nothing can conflict with any more, as `settled(event)` tells, and joins equal neighbours.
  /// O(ranges).
  template <class Settled>
  void sweep(Settled&& settled)
  {
    auto kept = ranges_.end();
    for (auto it = ranges_.begin(); it != ranges_.end();) {
      range& r = it->second;
      if (settled(r.writer.where)) r.writer = {};
      for (auto reader = r.readers.begin(); reader != r.readers.end();) {
        if (settled(reader->where)) reader = r.readers.erase(reader);
        else ++reader;
      }
      if (r.writer.where.sequence == 0 && r.readers.empty()) {
        it = ranges_.erase(it);
      } else if (kept != ranges_.end() && kept->second.end == it->first && kept->second.writer == r.writer &&
                 kept->second.readers == r.readers) {
        kept->second.end = r.end;
        it = ranges_.erase(it);
      } else {
        kept = it++;
      }
    }
  }

  void clear() noexcept { ranges_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return ranges_.size(); }

 private:
  struct range
  {
    address end;
    access writer;
    boost::container::small_vector<access, 2> readers;
  };
  using iterator = std::map<address, range>::iterator;

  /// Makes `where` a border. The first range that begins at or behind it.
  iterator cut(address where)
  {
    auto it = ranges_.lower_bound(where);
    if (it == ranges_.begin()) return it;
    auto before = std::prev(it);
    if (before->second.end <= where) return it;
    range rear = before->second;
    before->second.end = where;
    return ranges_.emplace_hint(it, where, std::move(rear));
  }

  std::map<address, range> ranges_;
};

}  // namespace kvstrata::emulated
