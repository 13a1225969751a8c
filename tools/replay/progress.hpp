// How far a long run is: a bar that redraws itself on a terminal, a plain line now and then in a pipe.
#pragma once

#include "replay/format.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace replay {

/// Is the standard error stream a terminal?
[[nodiscard]] inline bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

class progress
{
 public:
  enum class kind : std::uint8_t { bar, lines, silent };

  progress(std::ostream& out, kind how) : out_(out), how_(how) {}
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;
  ~progress() { finish(); }

  /// Begins something of `total` steps; ends what was under way.
  void start(std::string_view label, std::uint64_t total)
  {
    finish();
    label_ = label;
    total_ = total;
    done_ = 0;
    began_ = shown_ = clock::now();
    running_ = true;
    show(false);
  }

  void advance(std::uint64_t steps = 1)
  {
    if (!running_) return;
    done_ = (std::min)(done_ + steps, total_);
    if (clock::now() - shown_ < (how_ == kind::bar ? bar_every : line_every)) return;
    shown_ = clock::now();
    show(false);
  }

  /// Ends it, with how long it took. `remark` is appended.
  void finish(std::string_view remark = {})
  {
    if (!running_) return;
    running_ = false;
    remark_ = remark;
    show(true);
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::size_t bar_width = 30;
  static constexpr std::size_t label_width = 24;
  static constexpr std::chrono::milliseconds bar_every{100};
  static constexpr std::chrono::seconds line_every{10};

  void show(bool ended)
  {
    if (how_ == kind::silent) return;
    const double share = total_ == 0 ? 1.0 : static_cast<double>(done_) / static_cast<double>(total_);
    const double seconds = std::chrono::duration<double>(clock::now() - began_).count();
    if (how_ == kind::bar) {
      const auto full = static_cast<std::size_t>(share * static_cast<double>(bar_width));
      out_ << "\r\033[K" << padded() << " [" << std::string(full, '#') << std::string(bar_width - full, '.') << "] "
           << done_ << "/" << total_ << "  ";
      if (ended) out_ << seconds_text(seconds);
      else if (share > 0.02) out_ << seconds_text(seconds * (1.0 - share) / share) << " left";
      if (ended) out_ << ending() << '\n';
    } else if (ended) {
      out_ << padded() << " " << done_ << "/" << total_ << " in " << seconds_text(seconds) << ending() << '\n';
    } else if (done_ != 0) {
      out_ << padded() << " " << done_ << "/" << total_ << '\n';
    }
    out_.flush();
  }

  [[nodiscard]] std::string padded() const
  {
    return label_ + std::string(label_.size() < label_width ? label_width - label_.size() : 0, ' ');
  }
  [[nodiscard]] std::string ending() const { return remark_.empty() ? std::string() : ", " + remark_; }

  std::ostream& out_;
  kind how_;
  std::string label_;
  std::string remark_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  clock::time_point began_;
  clock::time_point shown_;
  bool running_ = false;
};

}  // namespace replay
