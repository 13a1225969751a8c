// A trace as a sweep reads it: measured, with the future where a policy needs it, and once where it can be read once only.
#pragma once

#include "sim/capacity.hpp"
#include "sim/options.hpp"
#include "sim/traces.hpp"

#include "replay/format.hpp"
#include "replay/progress.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

/// A trace that is read twice: once to measure it, once for the caches. From memory where a policy needs the future and
/// the trace does not tell it, or tells it wrongly. A pipe is read once, and measured on the way.
class twice_read
{
 public:
  twice_read(const named_trace& which, const options& o, bool needs_future, replay::progress& shown)
      : is_once_(!which.path.empty() && kvstrata::is_read_once(which.path)),
        is_memory_(needs_future),
        source_(open_checked(which, o))
  {
    if (is_once_) return;
    shown.start("reading " + which.name, 1000);
    std::uint64_t told = 0;
    const auto tell = [&](std::uint64_t) {
      const auto now = static_cast<std::uint64_t>(source_.progress() * 1000);
      if (now > told) shown.advance(now - std::exchange(told, now));
    };
    touched_ = kvstrata::measure_footprint(source_, tell);
    notes_ = source_.notes();
    shown.finish(replay::with_commas(touched_.requests) + " requests of " + (touched_.exact ? "" : "about ") +
                 replay::with_commas(touched_.objects) + " objects");
    if (touched_.requests == 0) refuse_empty(which);
    source_ = open(which, o.traces);
    is_memory_ = is_memory_ && !touched_.tells_future;
  }

  /// To be called once, before source(): takes held_bytes() of memory.
  void load()
  {
    if (is_memory_) source_ = kvstrata::any_source(kvstrata::with_future(std::move(source_)));
  }

  /// Known before the caches have run, but for a pipe.
  [[nodiscard]] const kvstrata::footprint& touched() const { return touched_; }
  [[nodiscard]] const kvstrata::trace_notes& notes() const { return notes_; }
  [[nodiscard]] bool is_once() const { return is_once_; }
  [[nodiscard]] std::uint64_t held_bytes() const
  {
    // Twice, while it is read: the memory grows by doubling.
    return is_memory_ ? 2 * touched_.requests * sizeof(kvstrata::trace_access) : 0;
  }

  // What the caches read.
  std::size_t read(std::span<kvstrata::trace_access> out)
  {
    const std::size_t got = source_.read(out);
    for (const kvstrata::trace_access& one : out.first(got)) {
      in_parts_ |= one.part != 0;
      if (is_once_) counter_.add(one);
    }
    return got;
  }
  [[nodiscard]] std::string_view name() const { return source_.name(); }
  [[nodiscard]] bool in_parts() const { return in_parts_; }

  /// Throws kvstrata::data_error: there was nothing to be read.
  [[noreturn]] void refuse_empty(const named_trace& which) const
  {
    const bool all_zero = notes_.zero_sized != 0;
    throw kvstrata::data_error(
        which.path.empty() || which.path == "-" ? which.name : which.path, 0,
        all_zero ? "holds requests of size 0 only, which are left out (--zero-sizes serve)" : "holds no requests");
  }

  /// To be called when all was read.
  void finish()
  {
    if (!is_once_) return;
    touched_ = counter_.result();
    notes_ = source_.notes();
  }

 private:
  [[nodiscard]] kvstrata::any_source open_checked(const named_trace& which, const options& o) const
  {
    if (is_once_) require_one_pass(which, o, is_memory_);
    return open(which, o.traces);
  }

  /// Throws kvstrata::config_error for what only a look at the whole trace can answer.
  static void require_one_pass(const named_trace& which, const options& o, bool needs_future)
  {
    const auto refuse = [&which](std::string_view option, const std::string& value, const std::string& why) {
      throw kvstrata::config_error(
          option, "'" + value + "'",
          which.name + " can be read once only, as a pipe is: " + why + ". Store the trace in a file, or ask for less");
    };
    if (needs_future) {
      refuse("--policies", joined(o.policies),
             "belady needs the future; name policies that do not, such as lru,s3_fifo,locality");
    }
    for (const std::string& text : o.capacities) {
      if (read_capacity("--capacities", text).in == capacity::unit::objects) continue;
      refuse("--capacities", text, "how much it touches is not known before, so sizes are given in objects (1000)");
    }
    if (!o.warmup.empty() && o.warmup.back() == '%') {
      refuse("--warmup", o.warmup, "how long it is, is not known before, so a warm-up is given in requests");
    }
    if (!o.interval.empty()) refuse("--interval", o.interval, "how many intervals that makes is not known before");
  }
  static std::string joined(const std::vector<std::string>& names)
  {
    std::string out;
    for (const std::string& one : names) out += (out.empty() ? "" : ",") + one;
    return out;
  }

  bool is_once_;
  bool is_memory_;
  kvstrata::any_source source_;
  bool in_parts_ = false;
  kvstrata::footprint touched_;
  kvstrata::trace_notes notes_;
  kvstrata::footprint_counter counter_;
};

}  // namespace sim
