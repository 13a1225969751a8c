#include "replay/processes.hpp"

#include "replay/case_list.hpp"
#include "replay/cases.hpp"
#include "replay/format.hpp"
#include "replay/handing_out.hpp"
#include "replay/verify.hpp"

#include "command_line/named_router.hpp"

#include <kvstrata/core/error.hpp>

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

namespace replay {
namespace {

/// What a process tells in the end, as bytes.
struct told
{
  std::uint64_t requests = 0;
  std::uint64_t slab = 0, arena = 0, cluster = 0, computed = 0;  ///< tokens by where they came from
  std::uint64_t verified = 0, mismatches = 0;
  double seconds = 0, largest_difference = 0;

  told& operator+=(const told& other)
  {
    requests += other.requests;
    slab += other.slab;
    arena += other.arena;
    cluster += other.cluster;
    computed += other.computed;
    verified += other.verified;
    mismatches += other.mismatches;
    seconds = (std::max)(seconds, other.seconds);
    largest_difference = (std::max)(largest_difference, other.largest_difference);
    return *this;
  }
};

/// What one process serves: batches [begin, end) of its part of the workload.
struct task
{
  const options& how;
  const workload& part;
  const cache_sizes& sizes;
  const hstu::trained_model& made_of;
  std::size_t begin = 0, end = 0;
};

told work(const task& t)
{
  if (t.begin == t.end) return {};  // a router gave it nothing
  const hstu::model model(t.made_of.options, t.made_of.parameters);
  serving_context context{.load = t.part, .sizes = t.sizes, .first = t.begin, .pictured = t.part.batches.size()};
  if (t.how.verify > 0) context.sample = draw_sample(t.part, t.how.verify, t.how.seed);
  std::erase_if(context.sample, [&t](const sampled_request& s) { return s.batch < t.begin || s.batch >= t.end; });
  const cpu_machine machine{model, kvstrata::link_model{}};
  const std::unique_ptr<served_case> one = make_case(cluster_case().key, context, machine);
  one->serve(t.begin, t.end, [] {});
  const case_result r = one->result();
  const std::uint64_t below = r.tokens.fetched();
  const std::uint64_t staged = (std::min)(below, r.staged_tokens);
  told out{.requests = r.requests,
           .slab = r.tokens.served[0],
           .arena = below - staged,
           .cluster = staged,
           .computed = r.tokens.computed,
           .seconds = r.seconds};
  if (!context.sample.empty()) {
    const std::vector<scored_case> scored{{cluster_case().name, &one->scores()}};
    const verification v = verify(context, model, scored, t.how.verify, [] {});
    out.verified = v.requests;
    out.mismatches = v.mismatches;
    out.largest_difference = v.max_difference;
  }
  return out;
}

void write_all(int to, const void* from, std::size_t bytes) noexcept
{
  const char* at = static_cast<const char*>(from);
  while (bytes != 0) {
    const ::ssize_t written = ::write(to, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

class process
{
 public:
  /// `dies`: it is killed when it is through, and closes nothing.
  process(const task& t, bool dies)
  {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw kvstrata::error(std::string("no pipe can be had: ") + std::strerror(errno));
    id_ = ::fork();
    if (id_ == 0) {
      ::close(ends[0]);
      try {
        const told all = work(t);
        write_all(ends[1], &all, sizeof all);
        if (dies) static_cast<void>(::kill(::getpid(), SIGKILL));
        ::_exit(0);
      } catch (const std::exception& e) {
        write_all(ends[1], e.what(), std::strlen(e.what()));
      }
      ::_exit(1);
    }
    const int fault = errno;
    ::close(ends[1]);
    from_ = ends[0];
    if (id_ < 0) {
      ::close(from_);
      throw kvstrata::error(std::string("no process can be had: ") + std::strerror(fault));
    }
  }
  process(process&& other) noexcept : id_(std::exchange(other.id_, -1)), from_(std::exchange(other.from_, -1)) {}
  process& operator=(process&&) = delete;
  ~process()
  {
    if (id_ > 0) {
      static_cast<void>(::kill(id_, SIGKILL));
      static_cast<void>(end());
    }
  }

  /// Blocks until it is through. Throws kvstrata::error with what it says.
  [[nodiscard]] told wait_sync()
  {
    std::string said;
    std::array<char, 512> some{};
    for (;;) {
      const ::ssize_t got = ::read(from_, some.data(), some.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      said.append(some.data(), static_cast<std::size_t>(got));
    }
    const int status = end();
    const bool well =
        (WIFEXITED(status) && WEXITSTATUS(status) == 0) || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    told out;
    if (!well || said.size() != sizeof out) {
      throw kvstrata::error("a process over the cluster did not get through: " +
                            (said.empty() || well ? "it ended by itself" : said));
    }
    std::memcpy(&out, said.data(), sizeof out);
    return out;
  }

 private:
  int end() noexcept
  {
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    ::close(from_);
    id_ = -1;
    return status;
  }

  ::pid_t id_ = -1;
  int from_ = -1;
};

std::string how_served(const std::string& router)
{
  if (router == "round_robin") return "requests by turns";
  if (router == "user") return "each user in one";
  return "routed by " + router;
}

std::string sentence_of(const std::string& how, const told& all)
{
  const std::uint64_t tokens = all.slab + all.arena + all.cluster + all.computed;
  const auto share = [tokens](std::uint64_t part) {
    return percent(tokens == 0 ? 0 : static_cast<double>(part) / static_cast<double>(tokens));
  };
  std::string out = how + ": of " + with_commas(tokens) + " tokens " + share(all.slab) + " were in a slab, " +
                    share(all.arena) + " in an arena, " + share(all.cluster) + " came from the cluster, " +
                    share(all.computed) + " were computed; " +
                    fixed(all.seconds > 0 ? static_cast<double>(all.requests) / all.seconds : 0, 1) + " requests/s.";
  if (all.verified != 0) {
    out += " " + with_commas(all.verified) + " answers were compared with recomputation, " +
           with_commas(all.mismatches) + " differ.";
  }
  return out;
}

}  // namespace

std::string run_prefix() { return "replay" + std::to_string(::getpid()); }

std::vector<std::string> serve_in_processes(const options& o, const workload& load, cache_sizes sizes,
                                            const hstu::trained_model& made_of, progress& shown)
{
  const std::string number = std::to_string(o.processes);
  const std::string prefix = sizes.cluster_prefix;
  std::vector<std::string> out;
  std::vector<std::string> runs = o.routers;
  runs.push_back(o.routers.back());  // with one that is killed
  shown.start("serving in " + number + " processes", runs.size());
  for (std::size_t run = 0; run < runs.size(); ++run) {
    const bool kills = run + 1 == runs.size();
    sizes.cluster_prefix = prefix + "p" + std::to_string(run);
    const auto given = hand_out(load, o.processes, tools::named_router(runs[run]));
    std::vector<workload> parts;
    for (std::uint32_t p = 0; p < o.processes; ++p) parts.push_back(part_of(load, given, p));
    std::vector<process> all;
    const std::size_t half = parts.back().batches.size() / 2;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const bool dies = kills && p + 1 == parts.size();
      all.emplace_back(task{o, parts[p], sizes, made_of, 0, dies ? half : parts[p].batches.size()}, dies);
    }
    told sum;
    told replaced;
    if (kills) {  // the last one ends first
      sum += all.back().wait_sync();
      all.pop_back();
      process next(task{o, parts.back(), sizes, made_of, half, parts.back().batches.size()}, false);
      replaced = next.wait_sync();
      sum += replaced;
    }
    for (process& one : all) sum += one.wait_sync();
    if (sum.mismatches != 0) {
      throw kvstrata::error(number + " processes over the cluster gave " + with_commas(sum.mismatches) +
                            " scores that differ from recomputation, by up to " +
                            std::to_string(sum.largest_difference));
    }
    const std::string how = number + " processes, " + how_served(runs[run]);
    out.push_back(sentence_of(how + (kills ? ", one killed in the middle and replaced" : ""), sum));
    if (kills) out.push_back(sentence_of("The one that took its place", replaced));
    shown.advance();
  }
  shown.finish();
  return out;
}

}  // namespace replay
