// Kills writers at random moments, and checks after each in a fresh process what the store has. Real files, threads and
// SIGKILL. Nothing depends on how quick anything is: what counts is what had been told when the process was gone.
#pragma once

#include "tiers/nvme/crash_writer.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kvstrata_test {

struct crash_program_config
{
  std::uint32_t kills = 300;
  std::uint64_t seed = 1;
  std::uint32_t rounds_of_a_file = 10;      ///< then a new one: so that nothing is evicted
  std::uint64_t bytes = 96ULL << 20U;       ///< of a file
  std::uint64_t tight_bytes = 4ULL << 20U;  ///< of each fifth, in which things are evicted
  std::uint32_t hang_seconds = 120;         ///< a process that has not ended by then hangs
  std::string folder = std::filesystem::temp_directory_path().string();
  bool talks = false;
};

struct crash_program_report
{
  std::uint64_t kills = 0, in_recovery = 0, by_itself = 0, clean_ends = 0;
  std::uint64_t under_way = 0, puts_lost = 0, erasures = 0, flushes = 0, messages = 0;
  std::uint64_t hangs = 0;
  check_report checks;
};

/// Runs work(pipe) -> int in a child, and hears what it writes.
class heard_child
{
 public:
  template <class Work>
  explicit heard_child(Work&& work)
  {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe can be made");
    std::fflush(nullptr);
    child_ = ::fork();
    if (child_ < 0) throw std::runtime_error("no process can be made");
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(ends[0]);
      int code = 99;
      try {
        code = work(ends[1]);
      } catch (const std::exception& thrown) {
        std::fprintf(stderr, "crash program: %s\n", thrown.what());
      }
      ::_exit(code);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }
  heard_child(const heard_child&) = delete;
  heard_child& operator=(const heard_child&) = delete;
  ~heard_child()
  {
    kill();
    ::close(pipe_);
    if (child_ > 0) ::waitpid(child_, &status_, 0);
  }

  void kill() const
  {
    if (child_ > 0) ::kill(child_, SIGKILL);
  }
  /// The next `bytes`, or fewer: then it is gone. Empty, and late() is true: it says nothing until the deadline.
  [[nodiscard]] bool hear(void* into, std::size_t bytes, std::chrono::steady_clock::time_point deadline)
  {
    for (std::size_t done = 0; done < bytes;) {
      pollfd it{pipe_, POLLIN, 0};
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      const int ready = ::poll(&it, 1, static_cast<int>((std::max)(std::int64_t{0}, std::int64_t{left.count()})));
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) {
        late_ = true;
        return false;
      }
      const ssize_t got = ::read(pipe_, static_cast<char*>(into) + done, bytes - done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      done += static_cast<std::size_t>(got);
    }
    return true;
  }
  [[nodiscard]] bool late() const noexcept { return late_; }
  /// Blocks until it has ended; what waitpid says.
  [[nodiscard]] int end()
  {
    if (child_ > 0) ::waitpid(child_, &status_, 0);
    child_ = 0;
    return status_;
  }

 private:
  pid_t child_ = 0;
  int pipe_ = -1;
  int status_ = 0;
  bool late_ = false;
};

class crash_program
{
 public:
  explicit crash_program(crash_program_config c) : config_(std::move(c)), random_(config_.seed) {}

  /// Blocks; removes its files.
  [[nodiscard]] crash_program_report run()
  {
    for (std::uint32_t file = 0; report_.kills < config_.kills && is_well(); ++file) use_file(file);
    return report_;
  }

 private:
  using clock = std::chrono::steady_clock;

  [[nodiscard]] bool is_well() const noexcept { return report_.hangs + report_.checks.faults() == 0; }

  void use_file(std::uint32_t number)
  {
    crash_writer_config c;
    c.path = config_.folder + "/kvstrata-crash-" + std::to_string(::getpid()) + "-" + std::to_string(number);
    const bool tight = number % 5 == 4;
    c.bytes = tight ? config_.tight_bytes : config_.bytes;
    std::error_code ignored;
    std::filesystem::remove(c.path, ignored);
    crash_oracle oracle(static_cast<kvstrata::page_count>((16U << 10U) / c.shape.page_bytes()));
    // Rounds that end before they are killed count for nothing but the file's room.
    for (std::uint32_t round = 0; round < config_.rounds_of_a_file && report_.kills < config_.kills && is_well();
         ++round) {
      c.seed = random_() | 1U;
      c.seed += random_() % 2;
      c.durable = random_() % 3 == 0;
      c.kill_at_io = 0;
      const std::uint64_t way = random_() % 8;
      if (way == 0) c.kill_at_io = 1 + random_() % 12;  // while it recovers, or makes the store
      if (way == 1) c.kill_at_io = 1 + random_() % 300;
      const log_mark cut = write(c, oracle, way);
      if (!is_well()) break;
      oracle = oracle.behind_cut(cut);
      check(c, oracle, tight);
    }
    std::filesystem::remove(c.path, ignored);
  }

  /// One writer, until it is gone. What it had said then.
  [[nodiscard]] log_mark write(const crash_writer_config& c, crash_oracle& oracle, std::uint64_t way)
  {
    crash_listener listener(oracle);
    // Killed when so many messages have been heard: seldom before the first, mostly anywhere.
    const std::uint64_t kill_after = way == 2 ? random_() % 3 : random_() % 900;
    const auto deadline = clock::now() + std::chrono::seconds(config_.hang_seconds);
    heard_child child([&c](int pipe) { return write_until_killed(c, pipe); });
    bool killed = false;
    crash_message message;
    std::uint64_t heard = 0;
    if (c.kill_at_io == 0 && kill_after == 0) {
      for (std::uint64_t i = random_() % 200'000; i != 0; --i) {
        const volatile std::uint64_t passes = i;
        static_cast<void>(passes);
      }
      child.kill();
      killed = true;
    }
    while (child.hear(&message, sizeof message, deadline)) {
      listener.hear(message);
      if (++heard == kill_after && c.kill_at_io == 0) {
        child.kill();
        killed = true;
      }
    }
    if (child.late()) {
      ++report_.hangs;
      report_.checks.say(report_.checks.misbehaved, "a writer hangs, seed " + std::to_string(c.seed));
      return listener.heard();
    }
    const int status = child.end();
    const bool by_signal = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (by_signal) {
      ++report_.kills;
      report_.by_itself += killed ? 0U : 1U;
      report_.in_recovery += listener.has_opened() ? 0U : 1U;
      report_.under_way += listener.under_way() != 0 ? 1U : 0U;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      ++report_.clean_ends;
    } else {
      report_.checks.say(report_.checks.misbehaved,
                         "a writer ended with status " + std::to_string(status) + ", seed " + std::to_string(c.seed));
    }
    report_.puts_lost += listener.lost_puts();
    report_.erasures += listener.erasures();
    report_.flushes += listener.flushes();
    report_.messages += heard;
    report_.checks.wrong_bytes += listener.wrong();
    return listener.heard();
  }

  /// In a fresh process, which ends without closing half of the time.
  void check(const crash_writer_config& c, const crash_oracle& oracle, bool tight)
  {
    const auto deadline = clock::now() + std::chrono::seconds(config_.hang_seconds);
    heard_child child([&](int pipe) {
      check_report found;
      kvstrata::emulated_device d;
      crash_writer_config mine = c;
      mine.kill_at_io = 0;
      try {
        crash_store store(d, crash_file(mine));
        store_prober<crash_store, kvstrata::emulated_device> prober(d, store, c.shape);
        for (const auto& key : oracle.keys()) prober.check(key, oracle, oracle.after_cut(key, 0), found, tight);
        send(pipe, found);
        if (c.seed % 4 < 2) ::_exit(0);
      } catch (const std::exception& thrown) {
        found.say(found.misbehaved, std::string("the store is not opened again: ") + thrown.what());
        send(pipe, found);
      }
      return 0;
    });
    std::uint64_t numbers[8] = {};
    std::uint64_t bytes = 0;
    std::string text;
    const bool said = child.hear(numbers, sizeof numbers, deadline) && child.hear(&bytes, sizeof bytes, deadline);
    if (said) {
      text.resize(static_cast<std::size_t>(bytes));
      static_cast<void>(child.hear(text.data(), text.size(), deadline));
    }
    check_report& all = report_.checks;
    ++all.states;
    std::byte end{};
    if (said && !child.late()) static_cast<void>(child.hear(&end, 1, deadline));  // its end
    if (child.late()) {
      ++report_.hangs;
      return all.say(all.misbehaved, "whoever checks hangs, seed " + std::to_string(c.seed));
    }
    const int status = child.end();
    if (!said || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      return all.say(all.misbehaved,
                     "whoever checks ended with status " + std::to_string(status) + ", seed " + std::to_string(c.seed));
    }
    all.looked += numbers[0], all.found += numbers[1], all.got += numbers[2], all.lost += numbers[3];
    all.wrong_bytes += numbers[4], all.erased += numbers[5], all.stale += numbers[6], all.misbehaved += numbers[7];
    if (!text.empty()) all.sentences.push_back("seed " + std::to_string(c.seed) + ": " + text);
  }

  static void send(int pipe, const check_report& r)
  {
    const std::uint64_t numbers[8] = {r.looked, r.found, r.got, r.lost, r.wrong_bytes, r.erased, r.stale, r.misbehaved};
    std::string text;
    for (const std::string& one : r.sentences) text += one + "\n  ";
    text.resize((std::min)(text.size(), std::size_t{16'000}));
    const std::uint64_t bytes = text.size();
    if (::write(pipe, numbers, sizeof numbers) < 0 || ::write(pipe, &bytes, sizeof bytes) < 0 ||
        ::write(pipe, text.data(), text.size()) < 0) {
      ::_exit(3);
    }
  }

  crash_program_config config_;
  std::mt19937_64 random_;
  crash_program_report report_;
};

}  // namespace kvstrata_test
