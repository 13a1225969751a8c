// A walk on a disk, all its cuts, and on each a store that is opened anew, looked through, used further and cut again.
//
//   struct my_subject
//   {
//     using store = my_store::on<emulated_device>;
//     std::unique_ptr<store> operator()(emulated_device& d, std::shared_ptr<memory_disk> disk) const;  // opens what is there
//   };
#pragma once

#include "tiers/nvme/crash_walk.hpp"
#include "tiers/nvme/cuts.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace kvstrata_test {

struct crash_run_config
{
  std::uint64_t disk_bytes = 4U << 20U;
  std::size_t steps = 60;  ///< of the first walk, in which the store is closed and opened `reopenings` times
  std::size_t reopenings = 1;
  std::size_t steps_after = 10;  ///< of a walk after a crash
  cut_plan cuts{};
  cut_plan cuts_after{.exhaustive = 1, .torn = 1, .samples = 1, .every = 5};
  std::uint32_t used_further_in = 6;  ///< one crash state in so many is used further and cut again; 0: none
  std::uint32_t crashes = 3;          ///< one after the other, at most
  walk_config walk{};
  io_fault_plan faults{};             ///< of the first walk
  std::optional<disk_image> start{};  ///< the disk at first; else it is blank
  bool making_may_fail = false;       ///< a crash while it is made may leave what is refused
};

/// Stops at the first crash state that is not as it must be.
template <class Subject>
class crash_run
{
 public:
  using store = typename Subject::store;
  using device = kvstrata::emulated_device;

  crash_run(const Subject& subject, const crash_run_config& c) : subject_(&subject), config_(c) {}

  [[nodiscard]] check_report run()
  {
    const disk_image start = config_.start ? *config_.start : disk_image(config_.disk_bytes);
    const auto disk = std::make_shared<memory_disk>(start);
    crash_oracle oracle(config_.walk.pages_of_a_record);
    {
      disk->plan_faults(config_.faults);
      walk_config walk = config_.walk;
      for (std::size_t i = 0; i <= config_.reopenings && report_.faults() == 0; ++i) {
        walk.seed = config_.walk.seed * 1000 + i;
        use(disk, oracle, walk, config_.steps / (config_.reopenings + 1), i != config_.reopenings, "walking");
      }
    }
    if (report_.faults() == 0) cut(start, disk->log(), oracle, 1, "");  // with its making, where the disk was blank
    return report_;
  }

 private:
  /// One store's life. Without an end of its own it goes as it does when a process ends: the log is what counts.
  void use(const std::shared_ptr<memory_disk>& disk, crash_oracle& oracle, const walk_config& walk, std::size_t steps,
           bool closes, const std::string& where)
  {
    try {
      device d({.time = kvstrata::time_mode::virtual_time, .seed = walk.seed});
      const auto opened = open_with_faults(d, disk);
      if (opened == nullptr) return;
      if (made_ == 0) made_ = static_cast<log_mark>(disk->mark());
      crash_walk<store> walker(d, *opened, *disk, oracle, walk);
      walker.steps(steps);
      if (walker.report().faults() == 0) {
        if (closes) walker.close();
        else if (walk.seed % 2 == 0) walker.flush();
      }
      note(walker.report(), where);
    } catch (const std::exception& thrown) {
      report_.say(report_.misbehaved, where + ": " + thrown.what());
    }
  }

  /// Null: a fault that it was told to have has kept it from being opened.
  std::unique_ptr<store> open_with_faults(device& d, const std::shared_ptr<memory_disk>& disk)
  {
    try {
      return (*subject_)(d, disk);
    } catch (const kvstrata::error&) {
      if (!config_.faults) throw;
      return nullptr;
    }
  }

  void note(const check_report& part, const std::string& where)
  {
    if (part.faults() != 0 && !part.sentences.empty()) {
      check_report placed = part;
      for (std::string& one : placed.sentences) one = where + ": " + one;
      return report_.add(placed);
    }
    report_.add(part);
  }

  void cut(disk_image before, const disk_log& log, const crash_oracle& oracle, std::uint32_t crash,
           const std::string& where)
  {
    cut_plan plan = crash == 1 ? config_.cuts : config_.cuts_after;
    plan.seed += config_.walk.seed * 7919 + states_;
    cut_replay(std::move(before), log, plan).each([&](std::size_t at, disk_image image, const std::string& how) {
      if (report_.faults() != 0) return;
      const std::string here = where + "crash " + std::to_string(crash) + " at " + std::to_string(at) + " of " +
                               std::to_string(log.size()) + " (" + how + ", behind" + last_of(log, at) + ") ";
      after_crash(static_cast<log_mark>(at), std::move(image), oracle, crash, here);
    });
  }

  /// What happened last before a place of the log.
  [[nodiscard]] static std::string last_of(const disk_log& log, std::size_t at)
  {
    std::string out;
    for (std::size_t i = at - (std::min)(at, std::size_t{6}); i < at; ++i) {
      const disk_event& e = log[i];
      if (e.what == disk_event::kind::flush_begin) out += " flush";
      else if (e.what == disk_event::kind::flush_end) out += e.error == 0 ? "ed" : " failed";
      else
        out += " " + std::to_string(e.bytes->size()) + "@" + std::to_string(e.offset) + (e.error == 0 ? "" : " failed");
    }
    return out;
  }

  void after_crash(log_mark at, disk_image image, const crash_oracle& oracle, std::uint32_t crash,
                   const std::string& where)
  {
    ++report_.states;
    ++states_;
    const bool goes_on =
        crash < config_.crashes && config_.used_further_in != 0 && states_ % config_.used_further_in == 0;
    const disk_image found = image;
    const auto disk = std::make_shared<memory_disk>(std::move(image));
    crash_oracle known = oracle.behind_cut(at);
    try {
      device d({.time = kvstrata::time_mode::virtual_time, .seed = states_});
      const auto opened = (*subject_)(d, disk);
      check_report part;
      store_prober<store, device> prober(d, *opened, config_.walk.shape);
      for (const auto& key : known.keys()) {
        prober.check(key, oracle, oracle.after_cut(key, at), part, config_.walk.may_evict);
      }
      note(part, where);
      if (goes_on && report_.faults() == 0) {
        walk_config walk = config_.walk;
        walk.seed += states_ * 31;
        crash_walk<store> walker(d, *opened, *disk, known, walk);
        walker.steps(config_.steps_after);
        if (walker.report().faults() == 0 && states_ % 2 == 0) walker.flush();
        note(walker.report(), where + "and on");
      }
    } catch (const std::exception& thrown) {
      if (config_.making_may_fail && crash == 1 && at < made_) return;
      report_.say(report_.misbehaved, where + ": " + thrown.what());
      return;
    }
    if (goes_on && report_.faults() == 0) cut(found, disk->log(), known, crash + 1, where);
  }

  const Subject* subject_;
  crash_run_config config_;
  check_report report_;
  log_mark made_ = 0;  // when the store was open for the first time
  std::uint64_t states_ = 0;
};

template <class Subject>
[[nodiscard]] check_report run_crashes(const Subject& subject, const crash_run_config& c)
{
  return crash_run<Subject>(subject, c).run();
}

}  // namespace kvstrata_test
