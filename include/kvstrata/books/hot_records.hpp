// Who is hot: entries get a hot record when they need one, and lose it when nothing keeps it any more.
#pragma once

#include <kvstrata/books/record_pool.hpp>
#include <kvstrata/device/concepts.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// As many records as were hot at a time are kept, and used again. Not synchronised.
template <class Entry, device Device>
class hot_records
{
 public:
  explicit hot_records(Device& d) : device_(&d) {}
  hot_records(const hot_records&) = delete;
  hot_records& operator=(const hot_records&) = delete;

  /// The entry gets a hot record where it has none: before it is held for a batch, or something is queued for it.
  void heat(Entry& e)
  {
    if (!e.is_hot()) e.become_hot(records_.take());
    else if (e.hot().dirty == 0) e.hot().place.unlink();
  }

  /// The entry loses its hot record when nobody holds it, it has nothing in the slab, no write of it waits, and all that is
  /// queued for it has come to pass; or later, once that has: two that wait for it are looked at at every call.
  void cool(Entry& e) noexcept
  {
    if (!e.is_hot()) return;
    record& mine = e.hot();
    if (e.holds != 0 || !mine.extents.empty() || mine.write_place.is_linked()) return;
    mine.dirty = 0;  // or it is of an old epoch, and stands in line for all that
    mine.place.unlink();
    if (has_passed(mine)) drop(e);
    else cooling_.push_back(mine);
    for (int looks = 2; looks != 0 && !cooling_.empty(); --looks) {
      record& next = cooling_.front();
      if (next.who->holds == 0 && has_passed(next)) drop(*next.who);
      else cooling_.splice(cooling_.end(), cooling_, cooling_.begin());
    }
  }

  /// The entry loses its hot record, if it has one.
  void drop(Entry& e) noexcept
  {
    if (!e.is_hot()) return;
    record& mine = e.hot();
    e.become_cold();
    mine.renew();
    records_.give_back(mine);
  }

 private:
  using record = typename Entry::hot_record;

  [[nodiscard]] bool has_passed(const record& r) const noexcept
  {
    try {
      for (const fence& uses : r.last_use) {
        for (const event point : uses) {
          if (!device_->query(point)) return false;
        }
      }
    } catch (...) {
      return false;
    }
    return true;
  }

  Device* device_;
  record_pool<record> records_;
  line_of<record, &record::place> cooling_;  // they wait for what is queued for them
};

}  // namespace kvstrata
