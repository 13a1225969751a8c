// Reading and writing: the store by each of its engines beside what the disk gives to fio, in turn.
#pragma once

#include "support/nvme/ceiling.hpp"
#include "support/nvme/engines.hpp"
#include "support/nvme/scratch_folder.hpp"
#include "support/nvme/subject.hpp"
#include "support/nvme/usage.hpp"
#include "support/paired.hpp"
#include "support/target.hpp"

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace nvme_bench {

struct flow_effort
{
  int rounds = 5;
  std::uint64_t bytes = 1ULL << 30U;       ///< a run
  std::uint64_t file_bytes = 3ULL << 30U;  ///< of the store, and of fio
  std::uint32_t depth = 16;
  int mixed_rounds = 5;
  double mixed_seconds = 1;
  std::uint64_t region_bytes = 64ULL << 20U;
  double pace = 0.3;  ///< of writes beside reads, as a share of writes alone
};

/// A store, and what came of it round by round.
struct contestant
{
  std::string name;
  std::unique_ptr<subject> store;
  std::vector<flow> writes, reads;
  std::vector<double> write_share, read_share;    ///< of the ceiling's in the same round
  std::vector<double> mixed_reads, mixed_writes;  ///< as shares of those alone in the same round
};

[[nodiscard]] inline bench::spread spread_over(const std::vector<flow>& flows, double (flow::*what)() const noexcept,
                                               double unit)
{
  std::vector<double> out;
  for (const flow& f : flows) out.push_back((f.*what)() / unit);
  return bench::spread_of(out);
}

inline void print_flows(const std::string& name, const std::vector<flow>& flows, const std::vector<double>& share)
{
  const bench::spread rate = spread_over(flows, &flow::rate, 1e9);
  const bench::spread cpu = spread_over(flows, &flow::cpu_a_gigabyte, 1);
  std::printf("  %-46s %6.2f (%5.2f to %5.2f)   %6.3f (%5.3f to %5.3f)", name.c_str(), rate.median, rate.low, rate.high,
              cpu.median, cpu.low, cpu.high);
  if (!share.empty()) {
    const bench::spread of = bench::spread_of(share);
    std::printf("   %5.2f (%4.2f to %4.2f)", of.median, of.low, of.high);
  }
  std::printf("\n");
}

class flows
{
 public:
  /// `suffix`: of the names of files, so that each has its own.
  flows(const scratch_folder& folder, const ring_engine& ring, const flow_effort& effort, const record_shape& shape,
        const std::string& suffix = {})
      : effort_(effort),
        shape_(shape),
        ceiling_(folder / "fio", shape.with_head(), effort.depth, effort.file_bytes, static_cast<bool>(ring.make))
  {
    const auto add = [&](const std::string& name, const kvstrata::nvme::engine_maker& engine) {
      kvstrata::nvme_file_config config{.paths = {folder / (name + suffix)},
                                        .bytes = effort.file_bytes,
                                        .region_bytes = effort.region_bytes,
                                        .layers = shape.layers,
                                        .done_when = kvstrata::put_done::written};
      config.engine = engine;
      contestant& c = all_.emplace_back();
      c.name = name;
      c.store = std::make_unique<subject>(config, shape, effort.depth);
      paths_.push_back(config.paths.front());
      static_cast<void>(c.store->write(effort.file_bytes));  // so that every block has been written once
      if (const std::string said = c.store->store().explanation(); !said.empty()) std::printf("%s\n", said.c_str());
    };
    add("threads", {});
    if (ring.make) add("io_uring", ring.make);
    else std::printf("No io_uring: %s.\n", ring.why_not.c_str());
  }

  [[nodiscard]] std::vector<contestant>& contestants() noexcept { return all_; }
  [[nodiscard]] const std::string& path_of(std::size_t who) const { return paths_[who]; }

  void alone(std::vector<bench::target>& targets)
  {
    std::printf(
        "Records of %u pages of %zu bytes in %u layers, and %s with blocks of %zu bytes; %u at a time; "
        "%.2f GB a run, %d rounds\n",
        shape_.pages, shape_.page_bytes, shape_.layers, ceiling_.name().c_str(), shape_.with_head(), effort_.depth,
        static_cast<double>(effort_.bytes) / 1e9, effort_.rounds);
    std::printf("  %-46s %-24s %-24s %s\n", "median (spread)", "  GB/s", "   CPU s a GB", "   share of the ceiling");
    for (int round = 0; round < effort_.rounds; ++round) {
      ceiling_writes_.push_back(ceiling_.write(effort_.bytes));
      for (contestant& c : all_) {
        c.writes.push_back(c.store->write(effort_.bytes));
        c.write_share.push_back(c.writes.back().rate() / ceiling_writes_.back().rate());
      }
      ceiling_reads_.push_back(ceiling_.read(effort_.bytes));
      for (contestant& c : all_) {
        c.reads.push_back(c.store->read(effort_.bytes));
        c.read_share.push_back(c.reads.back().rate() / ceiling_reads_.back().rate());
      }
    }
    print_flows("writes: " + ceiling_.name(), ceiling_writes_, {});
    for (const contestant& c : all_) print_flows("writes: nvme_file, " + c.name, c.writes, c.write_share);
    print_flows("reads:  " + ceiling_.name(), ceiling_reads_, {});
    for (const contestant& c : all_) print_flows("reads:  nvme_file, " + c.name, c.reads, c.read_share);
    for (const contestant& c : all_) {
      std::printf(
          "  %s: %llu puts waited in the store for a clean region, %llu were refused and tried again; %.2f of the "
          "memory lies in huge pages\n",
          c.name.c_str(), static_cast<unsigned long long>(c.store->store().figures().counts.waited),
          static_cast<unsigned long long>(c.store->refused()), c.store->share_in_huge_pages());
      add_target(targets, "writes_" + c.name + "_over_fio", c.write_share, 0.9);
      add_target(targets, "reads_" + c.name + "_over_fio", c.read_share, 0.9);
    }
    std::printf("\n");
  }

  /// Reads while writes go on, each beside itself alone.
  void beside(std::vector<bench::target>& targets)
  {
    std::printf("Reads while writes go on at %.2f of writes alone, %.1f s a run, %d rounds, as shares of those alone\n",
                effort_.pace, effort_.mixed_seconds, effort_.mixed_rounds);
    std::printf("  %-46s %-24s %s\n", "median (spread)", "   reads", "   writes");
    std::vector<double> fio_reads, fio_writes;
    for (int round = 0; round < effort_.mixed_rounds; ++round) {
      const double fio_write = ceiling_.write(effort_.bytes).rate();
      const double fio_read = ceiling_.read(effort_.bytes).rate();
      if (ceiling_.has_fio()) {
        const auto mix = ceiling_.both(effort_.mixed_seconds, effort_.bytes, effort_.pace * fio_write);
        fio_reads.push_back(mix.reads.rate() / fio_read);
        fio_writes.push_back(mix.writes.rate() / fio_write);
      }
      for (contestant& c : all_) {
        const double write = c.store->write(effort_.bytes).rate();
        const double read = c.store->read(effort_.bytes).rate();
        const auto mix = c.store->both(effort_.mixed_seconds, effort_.pace * write, effort_.bytes);
        c.mixed_reads.push_back(mix.reads.rate() / read);
        c.mixed_writes.push_back(mix.writes.rate() / write);
      }
    }
    if (ceiling_.has_fio()) print_mix(ceiling_.name() + ": what the disk can", fio_reads, fio_writes);
    for (const contestant& c : all_) {
      print_mix("nvme_file, " + c.name, c.mixed_reads, c.mixed_writes);
      add_target(targets, "reads_" + c.name + "_beside_writes_over_alone", c.mixed_reads, 0.8);
      add_target(targets, "writes_" + c.name + "_beside_reads_over_alone", c.mixed_writes, 0.25);
    }
    for (contestant& c : all_) {
      static_cast<void>(c.store->write(effort_.bytes));
      const double read = c.store->read(effort_.bytes).rate();
      const auto mix = c.store->both(effort_.mixed_seconds, 0, effort_.bytes);
      std::printf("  %-46s %6.2f %23s %5.2f GB/s\n", ("unpaced: nvme_file, " + c.name).c_str(), mix.reads.rate() / read,
                  "", mix.writes.rate() / 1e9);
    }
    std::printf("\n");
  }

 private:
  static void add_target(std::vector<bench::target>& to, const std::string& name, const std::vector<double>& samples,
                         double wanted)
  {
    to.push_back(
        {.name = name, .value = bench::spread_of(samples).median, .way = bench::better::more, .wanted = wanted});
  }
  static void print_mix(const std::string& name, const std::vector<double>& reads, const std::vector<double>& writes)
  {
    const bench::spread r = bench::spread_of(reads);
    const bench::spread w = bench::spread_of(writes);
    std::printf("  %-46s %6.2f (%4.2f to %4.2f)   %6.2f (%4.2f to %4.2f)\n", name.c_str(), r.median, r.low, r.high,
                w.median, w.low, w.high);
  }

  flow_effort effort_;
  record_shape shape_;
  ceiling ceiling_;
  std::vector<contestant> all_;
  std::vector<std::string> paths_;
  std::vector<flow> ceiling_writes_, ceiling_reads_;
};

}  // namespace nvme_bench
