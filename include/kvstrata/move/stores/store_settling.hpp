// What a store has answered is booked.
#pragma once

#include <kvstrata/move/stores/store_line.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, level_index Level>
template <class Reserve, class Ended>
void store_line<Residency, Level>::settle(Reserve&& reserve, Ended&& ended)
{
  if (limits_.get_seconds > 0 || limits_.read_seconds > 0) give_up_overdue(ended);
  for (std::size_t i = 0; i < open_.size();) {
    const auto out = open_[i].given_up ? store_outcome{loss::closed} : store_->poll(open_[i].promise);
    if (!out) {
      ++i;
      continue;
    }
    io mine = std::move(open_[i]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
    if (mine.what == kind::put) end_put(mine, *out);
    else if (mine.what == kind::read) end_read(mine, *out);
    else if (mine.what == kind::get) end_get(mine, *out, reserve, ended);
    else if (!out->done() && !mine.erased) ended(mine.key);
  }
}

template <class Residency, level_index Level>
template <class Ended>
void store_line<Residency, Level>::give_up_overdue(Ended&& ended)
{
  const double now = seconds_on(residency_->device());
  for (io& one : open_) {
    const bool is_read = one.what == kind::read;
    const double limit = is_read ? limits_.read_seconds : limits_.get_seconds;
    if (one.what == kind::put || one.what == kind::ask || limit <= 0 || one.overdue || now - one.since <= limit)
      continue;
    if (!is_read && one.erased) continue;
    one.erased = one.overdue = true;  // what it brings is nobody's
    ++figures_.lost_gets;
    ++(is_read ? figures_.overdue_reads : figures_.overdue_gets);
    tell(residency_->tracker(), record_lost{Level, is_read ? one.used : one.tokens.size(), true});
    if (is_read) ended_.push_back({one.reader, false});  // there is room since it was begun
    ended(one.key);
  }
}

template <class Residency, level_index Level>
template <class Settle>
void store_line<Residency, Level>::drain_sync(Settle&& settle)
{
  while (!open_.empty()) {  // an arrival may begin the next step of its user
    const std::vector<io> now = open_;
    for (const io& one : now) residency_->device().wait_sync(one.promise.point);
    const std::uint64_t first = open_.front().promise.number;
    settle();
    if (!open_.empty() && open_.front().promise.number == first) {
      throw error(std::string(tiers_type::names[Level]) + " does not tell what became of a promise that is over");
    }
  }
  drain_room_sync();
}

template <class Residency, level_index Level>
bool store_line<Residency, Level>::may_have(const sequence_key& key)
{
  found_record found{.is = found_record::knowledge::unknown};
  static_cast<void>(store_answers([&] { found = store_->find(key); }));
  if (found.is != found_record::knowledge::absent) return true;
  return std::any_of(open_.begin(), open_.end(), [&key](const io& one) { return one.key == key; });
}

template <class Residency, level_index Level>
void store_line<Residency, Level>::drain_room_sync()
{
  attempts all;
  all.make([this] { down_.drain_sync(); });
  all.make([this] { up_.drain_sync(); });
  all.finish();
}

}  // namespace kvstrata
