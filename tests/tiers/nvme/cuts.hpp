// What a disk may hold after a crash: for every prefix of its log, what was flushed, and of each later write nothing, all of
// it, or any of its sectors. (That two writes to one place change their order is the same as that the second is missing
// there.) Images are made one after the other and share what they have in common.
#pragma once

#include "tiers/nvme/memory_disk.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct cut_plan
{
  std::size_t exhaustive = 3;  ///< with so many unflushed writes or fewer: every subset, and each torn
  std::size_t torn = 3;        ///< ... at so many places, by seed; 0: at every sector
  std::size_t samples = 6;     ///< else: so many by seed
  std::size_t every = 1;       ///< only every so-maniest place of the log, and all where a flush is over
  std::size_t one_in = 1;      ///< of all these only one in so many, by seed
  std::uint64_t seed = 1;
};

/// Visits crash states: visit(cut, image, how), where `cut` events of the log have happened. Memory: the disk once, and the
/// unflushed writes.
class cut_replay
{
 public:
  cut_replay(disk_image before, const disk_log& log, const cut_plan& plan)
      : base_(std::move(before)), log_(&log), plan_(plan), random_(plan.seed)
  {
  }

  template <class Visit>
  void each(Visit&& visit)
  {
    for (std::size_t cut = 0;; ++cut) {
      const bool flushed = cut != 0 && (*log_)[cut - 1].what == disk_event::kind::flush_end;
      if (flushed) flush((*log_)[cut - 1]);
      if (cut != 0 && (*log_)[cut - 1].what == disk_event::kind::write) pending_.push_back({cut - 1, false});
      if (flushed || cut % plan_.every == 0 || cut == log_->size()) states(cut, visit);
      if (cut == log_->size()) return;
    }
  }

 private:
  struct pending_write
  {
    std::size_t at = 0;    // in the log
    bool dropped = false;  // a flush failed, and nobody has it any more
  };
  enum class part : std::uint8_t { none, whole, torn, sectors };

  [[nodiscard]] static std::size_t sectors_of(const disk_event& write) { return write.bytes->size() / sector_bytes; }

  /// After a flush that failed a kernel takes for clean what it could not write: it may be gone, whatever a later one says.
  void flush(const disk_event& end)
  {
    for (pending_write& one : pending_) {
      if (one.at >= end.begun_at) continue;
      if (end.error != 0) one.dropped = one.dropped || random_() % 2 == 0;
      else if (!one.dropped) apply(base_, one, part::whole, 0);
    }
    if (end.error != 0) return;
    std::erase_if(pending_, [&](const pending_write& one) { return one.at < end.begun_at; });
  }

  void apply(disk_image& image, const pending_write& one, part what, std::uint64_t sectors) const
  {
    const disk_event& write = (*log_)[one.at];
    if (what == part::none || one.dropped) return;
    if (what == part::whole) return image.write(write.offset, *write.bytes);
    std::mt19937_64 draws(sectors);
    for (std::size_t s = 0; s < sectors_of(write); ++s) {
      if (what == part::torn ? s >= sectors : draws() % 2 == 0) continue;
      image.write(write.offset + s * sector_bytes, std::span(*write.bytes).subspan(s * sector_bytes, sector_bytes));
    }
  }

  template <class Visit>
  void states(std::size_t cut, Visit& visit_all)
  {
    const auto visit = [&](std::size_t at, auto&& image, const std::string& how) {
      if (plan_.one_in < 2 || random_() % plan_.one_in == 0) visit_all(at, std::move(image), how);
    };
    if (pending_.size() <= plan_.exhaustive) return every_subset(cut, visit);
    const auto all = [&](part what) {
      disk_image image = base_;
      for (const pending_write& one : pending_) apply(image, one, what, 0);
      visit(cut, std::move(image), std::string(what == part::none ? "no unflushed write" : "all unflushed writes"));
    };
    all(part::none);
    all(part::whole);
    for (std::size_t i = 0; i < plan_.samples; ++i) {
      disk_image image = base_;
      std::string how = "of unflushed writes";
      const std::uint64_t whole_in = 1 + random_() % 8;  // some crashes lose nearly all, others nearly nothing
      for (const pending_write& one : pending_) {
        part what = random_() % 8 < whole_in ? part::whole : static_cast<part>(random_() % 4);
        const std::uint64_t sectors = what == part::torn ? random_() % (1 + sectors_of((*log_)[one.at])) : random_();
        apply(image, one, what, sectors);
        how += what == part::none ? " -" : what == part::whole ? " all" : what == part::torn ? " torn" : " some";
      }
      visit(cut, std::move(image), how);
    }
  }

  template <class Visit>
  void every_subset(std::size_t cut, const Visit& visit)
  {
    const std::size_t n = pending_.size();
    for (std::uint64_t subset = 0; subset >> n == 0; ++subset) {
      const auto build = [&](std::size_t changed, part what, std::uint64_t sectors) {
        disk_image image = base_;
        for (std::size_t i = 0; i < n; ++i) {
          if (i == changed) apply(image, pending_[i], what, sectors);
          else apply(image, pending_[i], (subset >> i & 1U) != 0 ? part::whole : part::none, 0);
        }
        return image;
      };
      visit(cut, build(n, part::none, 0), "subset " + std::to_string(subset) + " of " + std::to_string(n));
      for (std::size_t i = 0; i < n; ++i) {
        if ((subset >> i & 1U) != 0) continue;
        const std::size_t count = sectors_of((*log_)[pending_[i].at]);
        if (count < 2) continue;
        const std::string where =
            "write " + std::to_string(i) + " beside subset " + std::to_string(subset) + " of " + std::to_string(n);
        const std::size_t places = plan_.torn == 0 ? count - 1 : (std::min)(plan_.torn, count - 1);
        for (std::size_t place = 0; place < places; ++place) {
          const std::size_t sectors = plan_.torn == 0 ? 1 + place : 1 + random_() % (count - 1);
          visit(cut, build(i, part::torn, sectors), "torn " + where + " behind " + std::to_string(sectors));
        }
        visit(cut, build(i, part::sectors, random_()), "some sectors of " + where);
      }
    }
  }

  disk_image base_;
  const disk_log* log_;
  cut_plan plan_;
  std::mt19937_64 random_;
  std::vector<pending_write> pending_;
};

}  // namespace kvstrata_test
